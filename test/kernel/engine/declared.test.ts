/** What later cells know of the names of earlier ones. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openSession } from "./helpers.ts";

/** A package that exports functions of types that it does not export. */
const secretive = {
  "node_modules/secretive/package.json": JSON.stringify({
    name: "secretive",
    type: "module",
    exports: { ".": { types: "./index.d.ts", default: "./index.js" } },
  }),
  "node_modules/secretive/index.js": "export const make = () => ({ v: 1 });",
  "node_modules/secretive/index.d.ts": 'export declare function make(): import("./deep/hidden.js").Hidden;',
  "node_modules/secretive/deep/hidden.d.ts": "export interface Hidden { v: number }",
};

const { engine, run, fails, said } = await openSession(secretive);

test("names keep their types where a package does not export those", async () => {
  await run(
    'import { make } from "secretive"; const made = make(), other = make; let [first, n] = [make(), 2]; const b = 3;',
  );
  assert.is(await run("made.v + other().v + first.v + n + b"), 8);
  assert.match(await fails("made.missing"), /'missing' does not exist on type 'Hidden'/);
  assert.match(await fails("other().missing"), /'missing' does not exist on type 'Hidden'/);
  assert.match(await fails("first.missing"), /'missing' does not exist on type 'Hidden'/);
  assert.is(await run("first = make(); n = 5; first.v + n"), 6, "what was declared with let can be assigned");
  assert.match(await fails("made = make()"), /Cannot assign to 'made' because it is a constant/);
  assert.is(said(), "");
});

test("names keep their types where a module of Node does not export those", async () => {
  await run('const fsm = await import("node:fs"); const after = 1;');
  assert.is(await run("after"), 1);
  assert.is(await run("fsm.statSync('/').isDirectory()"), true);
  assert.match(await fails("fsm.statSync('/').missing"), /'missing' does not exist on type 'Stats'/);
});

test("what only its own cell can name is any in later ones, and a note says so", async () => {
  await run(
    "function f() { interface Own { x: number } return { x: 1, y: [{ x: 2 } as Own] } }\nconst after = 3;",
  );
  assert.match(said(), /^note: in later cells the type of f has any in place of Own, [^\n]*\n$/);
  assert.is(await run("f().x + f().y[0].x + after"), 6);
  assert.match(await fails("f().missing"), /'missing' does not exist/, "the rest of the type is kept");
});

test("variables of blocks are variables of the notebook", async () => {
  await run(
    "const read = () => [t, w]; try { var t = 5 } catch {}\nfor (var w = 0; w < 2; w++) { var last = { w } }",
  );
  await run(
    "for (var k of [1, 2]); for (var key in { a: 1 }); if (t) { var { a, b: [c] } = { a: 1, b: [2] }, u: string | undefined }",
  );
  assert.equal(await run("[t, w, last, k, key, a, c, u]"), [5, 2, { w: 1 }, 2, "a", 1, 2, undefined]);
  assert.equal(await run("t = 7; w = 9; read()"), [7, 9], "one variable in all cells");
  assert.match(await fails("t = 'text'"), /'string' is not assignable to type 'number'/);
  await run("const f2 = () => { var inner = 1; return inner };");
  assert.match(await fails("inner"), /Cannot find name 'inner'/);
});

test("global variables that a cell declares are global in later cells", async () => {
  await run("declare global { var counted: number }\nglobalThis.counted = 4;");
  assert.equal(await run("[counted, { counted }.counted]"), [4, 4]);
  assert.is(await run("counted = 5; globalThis.counted"), 5);
});

test("what has a type keeps it when the type's name is declared again", async () => {
  await run("class A { a = 1; other?: A }\nconst old = new A(), olds = [old]; const makeA = () => new A();");
  await run("interface Holds { it: A } let held: Map<string, Holds> = new Map();");
  assert.is(await run("class A { b = 2 }\nconst fresh = new A(); old.a + fresh.b"), 3);
  assert.is(await run("old.a + olds[0].a + makeA().a + new A().b"), 5);
  for (const wrong of ["old.b", "old.other?.b", "makeA().b", 'held.get("x")?.it.b'])
    assert.match(await fails(wrong), /Property 'b' does not exist on type 'A'/, wrong);
  assert.is(await run("class A { c = 3 }\nconst same = old; old.a + fresh.b + new A().c"), 6);
  assert.is(await run("same.a"), 1);
  await run(
    "type Shape = { x: number }; const shape: Shape = { x: 1 }; enum E { P } const e: E = E.P; function one() { return 1 } const first = one;",
  );
  await run("type Shape = { y: number }; enum E { Q = 4 } function one(n: number) { return n }");
  assert.equal(await run("[shape.x, first(), e === 0, E.Q, one(3)]"), [1, 1, true, 4, 3]);
  assert.match(await fails("shape.y"), /Property 'y' does not exist on type 'Shape'/);
  await run('import { Stats, statSync } from "node:fs"; const stats: Stats = statSync("/");');
  await run("class Stats { z = 1 }");
  assert.equal(await run("[stats.isDirectory(), new Stats().z]"), [true, 1]);
  const { matches } = engine.complete("__ear", 5);
  assert.equal(matches, [], "where earlier meanings are kept is nobody's business");
});

test("a namespace goes on where an earlier cell ended", async () => {
  await run("namespace Parts { export const one = 1; export interface T { t: number } }");
  assert.is(
    await run(
      "namespace Parts { export const two = one + 1; export const t: T = { t: 3 } }\nParts.one + Parts.two",
    ),
    3,
  );
  assert.is(await run("Parts.one + Parts.two + Parts.t.t"), 6);
  await run("namespace Parts { export const one = 10 }");
  assert.is(await run("Parts.one + Parts.two"), 12, "a member may be declared again");
});

test.run();
