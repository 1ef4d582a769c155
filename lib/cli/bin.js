#!/usr/bin/env node
// Starts the command: from the sources in a checkout (through tsx), from the build in an installed package. It is the
// one place that knows both sides: the library's commands, and those of notebooks, which start without the library.
import { existsSync } from "node:fs";

const inCheckout = existsSync(new URL("main.ts", import.meta.url));
if (inCheckout) {
  // The build makes it; an installation without scripts has not.
  if (!existsSync(new URL("../tensor/registrations.js", import.meta.url)))
    await (await import("../tensor/bundle-registrations.js")).writeRegistrations();
  const { register } = await import("tsx/esm/api");
  register();
}
const load = (path) =>
  import(new URL(inCheckout ? `../../${path}.ts` : `../../dist/${path}.js`, import.meta.url).href);

const notebooks = await load("kernel/cli/main");
const commands = notebooks.commands();
if (commands.some((command) => command.name() === process.argv[2])) await notebooks.main();
else await (await load("lib/cli/main")).main(commands);
