/** Names that cells declare: several times, within blocks, beside those that a script has anyway. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openSession } from "./helpers.ts";

const ESM = `import { createRequire } from "node:module";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
const require = createRequire(import.meta.url);
const __filename = fileURLToPath(import.meta.url), __dirname = dirname(__filename);
export const own = [require("node:path").basename(__filename), typeof __dirname];`;

const { engine, run, fails } = await openSession({ "esm.ts": ESM });

test("names may begin with two underscores", async () => {
  assert.is(await run("let __y = 1; const __read = () => __y; __y"), 1);
  assert.is(await run("__y = 5; __read() + { __y }.__y"), 10);
  assert.ok(engine.names().some(({ name, type }) => name === "__y" && type === "number"));
  assert.equal(
    engine.complete("__rea", 5).matches.map(({ text }) => text),
    ["__read"],
  );
  assert.match(engine.inspect("__read", 3, 0)?.signature ?? "", /__read: \(\) => number/);
  assert.match(engine.sourceOf("__read") ?? "", /__read = \(\)/);
});

test("a cell and a module may declare what a script has anyway", async () => {
  await run('import { createRequire } from "node:module"; import { dirname, basename } from "node:path";');
  await run('const require = createRequire(import.meta.url); const __dirname = "mine", module = 7;');
  assert.equal(await run('[basename("a/b"), typeof require("node:fs").statSync, __dirname, module]'), [
    "b",
    "function",
    "mine",
    7,
  ]);
  assert.is(
    await run('import { join } from "node:path"; const require = 1, __filename = "f"; join("a", __filename)'),
    "a/f",
  );
  assert.equal(await run('import { own } from "./esm.ts"; own'), ["esm.ts", "string"]);
  assert.is(await run("const exports = { a: 1 }; exports.a"), 1);
  assert.is(await run("exports.a"), 1);
});

test("var declares a name as often as one likes", async () => {
  assert.is(await run("var v = 1; var v = 2; v"), 2);
  assert.equal(await run("var w = 1, x = 2; var x = 5, y = 3; y = 9; [w, x, y]"), [1, 5, 9]);
  assert.is(await run("var [z] = [1]; var { z } = { z: 4 }; z"), 4);
  assert.equal(await run("[v, w, x, y, z]"), [2, 1, 5, 9, 4]);
});

test("what a block declares leaves the cell's variable of that name alone", async () => {
  await run("const a = 1; { const a = 'inner'; a.length }");
  await run("const { b } = { b: 1 }; if (true) { const { b } = { b: 3 }; b }");
  await run("const c = 1; switch (2 as number) { case 2: const c = 3; c }");
  await run("class D { d = 1 } { class D { e = 2 } new D() }");
  await run(
    "const e = 1; for (const i of [1]) { const e = i + 5; e } try { const e = 3; throw e } catch { const e = 4; e }",
  );
  assert.equal(await run("[a, b, c, new D().d, e]"), [1, 1, 1, 1, 1]);
});

test("the last expression is a cell's value beside `using`", async () => {
  await run("let closed = 0; const open = () => ({ v: 3, [Symbol.dispose]() { closed++ } });");
  assert.is(await run("using r = open(); const half = r.v / 2; half + r.v"), 4.5);
  assert.equal(await run("[closed, half]"), [1, 1.5]);
  assert.is(await run("await using s = { v: 4, async [Symbol.asyncDispose]() { closed++ } }; s.v"), 4);
  assert.is(await run("using t = open(); class Late {}"), undefined, "a declaration has no value");
});

test("what is exported by default keeps its name", async () => {
  await run("export default class Foo { a = 1 }");
  await run("export /* of */ default async function two() { return 2 }");
  assert.equal(await run("[new Foo().a, await two()]"), [1, 2]);
});

test("functions may use variables that later cells give a value", async () => {
  await run("let model: { run(): number }; const predict = () => model.run();");
  assert.is(await run("model = { run: () => 5 }; predict()"), 5);
  assert.match(await fails("let none: number; none + 1"), /'none' is used before being assigned/);
  assert.match(
    await fails("function g() { let inner: number; return inner }"),
    /'inner' is used before being assigned/,
  );
});

test("namespaces within namespaces go on, too", async () => {
  await run("namespace Out { export const q = 1; export namespace In { export const r = 2 } }");
  assert.equal(await run("namespace Out { export namespace In { export const s = r + 1 } } Out.In.s"), 3);
  assert.equal(await run("[Out.q, Out.In.r, Out.In.s]"), [1, 2, 3]);
});

test("the names that each function has are not found in modules of Node", async () => {
  assert.not.match(await fails("bind"), /import \{/);
  assert.match(await fails("isAbsolute"), /import \{ isAbsolute \} from "node:path"/);
});

test.run();
