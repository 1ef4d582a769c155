#!/usr/bin/env node
// Starts the command: from the sources in a checkout (through tsx), from the build in an installed package.
import { existsSync } from "node:fs";

const source = new URL("main.ts", import.meta.url);
if (existsSync(source)) {
  const { register } = await import("tsx/esm/api");
  register();
  await import(source.href);
} else {
  await import(new URL("../../dist/lib/cli/main.js", import.meta.url).href);
}
