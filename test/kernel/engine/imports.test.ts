/** What imports give, and how they fail. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openSession } from "./helpers.ts";

const esm = (name: string, code: string, types: string) => ({
  [`node_modules/${name}/package.json`]: JSON.stringify({
    name,
    type: "module",
    exports: { ".": { types: "./index.d.ts", import: "./index.js" } },
  }),
  [`node_modules/${name}/index.js`]: code,
  [`node_modules/${name}/index.d.ts`]: types,
});

const { run, fails, folder } = await openSession({
  ...esm(
    "boastful",
    "export const there = 1;",
    "export const there: number; export const missing: number; declare const d: number; export default d;",
  ),
  "near.ts": 'import { missing } from "boastful";\nexport const near = missing;\n',
  "lost.ts": 'export const fine = 1;\nimport "./nosuch.js";\n',
});

test("a name that a module lacks is an error, as in Node", async () => {
  const lacks = (name: string) =>
    new RegExp(`^SyntaxError: The requested module 'boastful' does not provide an export named '${name}'`);
  assert.match(await fails('import x from "boastful"; x'), lacks("default"));
  assert.match(await fails('import y, { there } from "boastful"; there + y'), lacks("default"));
  assert.match(await fails('import { there, missing as z } from "boastful"; there + z'), lacks("missing"));
  assert.match(await fails('import { near } from "./near.ts"; near'), lacks("missing"));
  assert.match(
    await fails('import x from "fflate"; x'),
    /module 'fflate' does not provide an export named 'default'/,
  );
  assert.is(
    await run(
      'import { there } from "boastful"; import * as all from "boastful"; there + Object.keys(all).length',
    ),
    2,
  );
  assert.equal(await run('import fs, { statSync } from "node:fs"; [typeof fs.statSync, typeof statSync]'), [
    "function",
    "function",
  ]);
});

test("an import that fails says where it stands", async () => {
  assert.match(
    await fails('const a = 1;\nimport "./nosuch"'),
    /\ncell\[\d+\]:2:8\n {2}1 \| const a = 1;\n> 2 \| import ".\/nosuch"\n/,
  );
  assert.match(await fails('import "./lost.ts"'), /\n[^\n]*lost\.ts:2:8\n/, "the innermost");
  assert.match(await fails('import "nopackage"'), /\ncell\[\d+\]:1:8\n/);
  assert.match(
    await fails('import { there as w, missing } from "boastful";\nmissing'),
    /\ncell\[\d+\]:1:37\n/,
  );
});

test("import.meta.resolve finds what imports find", async () => {
  const resolved = (specifier: string) => run(`import.meta.resolve("${specifier}")`);
  const url = (path: string) => pathToFileURL(join(folder, path)).href;
  assert.is(await resolved("node:fs"), "node:fs");
  assert.is(await resolved("fs"), "node:fs");
  assert.is(await resolved("./any.ts"), url("any.ts"));
  assert.is(await resolved("boastful"), url("node_modules/boastful/index.js"));
  assert.match(
    String(await run('import.meta.resolve("typescript")')),
    /^file:.*\/typescript\/lib\/typescript\.js$/,
    "of the kernel's own",
  );
  assert.is(await resolved("https://example.org/x"), "https://example.org/x");
  assert.match(await fails('import.meta.resolve("nothere")'), /Cannot find package 'nothere' imported from/);
});

test("a package that is installed meanwhile is found", async () => {
  assert.match(await fails('import { v } from "meanwhile"; v'), /Cannot find module 'meanwhile'/);
  const at = join(folder, "node_modules/meanwhile");
  mkdirSync(at, { recursive: true });
  writeFileSync(
    join(at, "package.json"),
    '{"name":"meanwhile","type":"module","exports":"./index.js","types":"index.d.ts"}',
  );
  writeFileSync(join(at, "index.js"), "export const v = 5;");
  writeFileSync(join(at, "index.d.ts"), "export declare const v: number;");
  assert.is(await run('import { v } from "meanwhile"; v'), 5);
});

test.run();
