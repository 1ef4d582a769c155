#!/usr/bin/env node
// Starts the command. It is the one place that knows both sides: the library's commands, and those of notebooks, which
// start without the library.
import { load } from "../load.js";

// Several processes that a launcher started; those that only look do not need each other.
if (["train", "sample"].includes(process.argv[2]))
  await (await load("lib/distributed/supervise")).superviseRank();

const notebooks = await load("kernel/cli/main");
const commands = notebooks.commands();
if (commands.some((command) => command.name() === process.argv[2])) await notebooks.main();
else await (await load("lib/cli/main")).main(commands);
