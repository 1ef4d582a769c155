/**
 * TypeScript, loaded with V8's code cache: compiling its 9 MB takes 150 ms of a kernel's start, reading the compiled
 * code 50 ms. (Node's own module cache does this from version 22 on, but leaves out what is compiled lazily.)
 */
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import vm from "node:vm";
import type ts from "typescript";
import { cacheFolder } from "../../lib/home.ts";
import { writeWholeSync } from "../../lib/whole.ts";

export type TypeScript = typeof ts;

export interface LoadedTypeScript {
  readonly ts: TypeScript;
  /** Writes the code compiled so far for the next start, unless it was read already. Never throws. */
  saveCodeCache(): void;
}

export function loadTypeScript(): LoadedTypeScript {
  const require = createRequire(import.meta.url);
  const file = require.resolve("typescript");
  const { version } = require("typescript/package.json") as { version: string };
  const cacheFile = cacheFolder(`typescript-${version}-node-${process.version}-${process.arch}.cache`);

  let cachedData: Buffer | undefined;
  try {
    cachedData = readFileSync(cacheFile);
  } catch {
    // The first start on this machine.
  }
  const source = `(function (exports, require, module, __filename, __dirname) {${readFileSync(file, "utf8")}\n})`;
  const script = new vm.Script(source, { filename: file, cachedData });
  const module = { exports: {} };
  script.runInThisContext()(module.exports, createRequire(file), module, file, dirname(file));

  const stale = cachedData === undefined || script.cachedDataRejected;
  return {
    ts: module.exports as TypeScript,
    saveCodeCache() {
      if (!stale) return;
      try {
        mkdirSync(dirname(cacheFile), { recursive: true });
        writeWholeSync(cacheFile, script.createCachedData());
      } catch {
        // Only speed depends on it.
      }
    },
  };
}
