#!/usr/bin/env node
// Starts the command. It is the one place that knows both sides: the library's commands, and those of notebooks, which
// start without the library.
import { load } from "../load.js";

// One of several processes that a launcher started is watched by another; most commands are not for several.
if ((await load("lib/distributed/launch")).isLaunched())
  await (await load("lib/distributed/supervise")).superviseRank();

const notebooks = await load("kernel/cli/main");
const commands = notebooks.commands();
if (commands.some((command) => command.name() === process.argv[2])) await notebooks.main();
else await (await load("lib/cli/main")).main(commands);
