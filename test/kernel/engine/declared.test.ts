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

test("names keep types that only their own cell can name", async () => {
  await run(
    "function f() { interface Own { x: number } return { x: 1, y: [{ x: 2 } as Own] } }\nconst after = 3;",
  );
  assert.is(await run("f().x + f().y[0].x + after"), 6);
  assert.match(await fails("f().missing"), /'missing' does not exist/);
  assert.match(await fails("f().y[0].missing"), /'missing' does not exist on type 'Own'/);
  assert.is(said(), "");
});

test("variables whose type the compiler finds as they are assigned are any in later cells", async () => {
  await run("let later; let list = []; let nothing = null; const items = [];");
  assert.equal(
    await run("later = 5; list.push(1); nothing = 't'; items.push(2); [later, list, nothing, items]"),
    [5, [1], "t", [2]],
  );
  assert.equal(await run("later = 's'; list.push('b'); [later, list]"), ["s", [1, "b"]]);
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

test("what a cell adds to globals and modules can be declared again, in another way", async () => {
  await run("declare global { var again: number; interface Array<T> { end(): T } }\nglobalThis.again = 1;");
  await run("declare global { interface Array<T> { (): void; [Symbol.species]: 1 } }");
  await run(
    "declare global { var again: string; interface Array<T> { end(): T | undefined } const g: 1 }\nagain = 's';",
  );
  assert.is(await run("again.length"), 1);
  assert.match(
    await fails("const last: number = [1].end()"),
    /'undefined' is not assignable to type 'number'/,
  );
  assert.match(await fails("const it: 2 = [1][Symbol.species]"), /Type '1' is not assignable to type '2'/);
  assert.match(
    await fails("declare global { var again: Missing; interface Array<T> { end(): 1 } const g: 2 }"),
    /'Missing'/,
  );
  assert.match(
    await fails("const one: 3 = g"),
    /Type '1' is not assignable/,
    "a cell that failed changes nothing",
  );
  await run('declare module "node:fs" { interface Stats { mine?: string } }');
  await run('declare module "node:fs" { interface Stats { mine?: number } }');
  assert.is(await run('import { statSync } from "node:fs"; statSync("/").mine?.toFixed()'), undefined);
  assert.match(
    await fails("declare global { var again: number; }"),
    /must have the same type/,
    "with less it is another cell",
  );
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
  assert.match(
    await fails("const wrong: A = old"),
    /in type 'A of cell\[\d+\]' but required in type 'A of cell\[\d+\]'/,
  );
  const { matches } = engine.complete("__cel", 5);
  assert.equal(matches, [], "how cells are kept is nobody's business");
});

test("a variable that one cell declares may get its value in another", async () => {
  await run("let awaited: string; var counted2: number; let sure!: string;");
  await run("const give = () => { awaited = 'text'; counted2 = 3; sure = 's' }; give();");
  assert.equal(await run("[awaited.length, counted2 + 1, sure]"), [4, 4, "s"]);
});

test("a type and a value of one name are declared apart", async () => {
  await run("interface Both { x: number }");
  await run("const Both: Both = { x: 4 };");
  assert.is(await run("const more: Both = { x: 5 }; Both.x + more.x"), 9);
  await run("class Thing { t = 1 }");
  await run("interface Thing { other: string }");
  assert.is(await run("new Thing().t"), 1, "the class is a value still");
  assert.match(await fails("const thing: Thing = { t: 1 }"), /'t' does not exist in type 'Thing/);
});

test("names of properties are no names of cells", async () => {
  await run("const holder = { inside: 3 }; const inside = 4;");
  assert.is(await run("const { inside: taken } = holder; taken"), 3);
  assert.equal(await run("[{ inside }.inside, ({ inside: 7 }).inside]"), [4, 7]);
});

test("a thousand cells later all is as it was", async () => {
  await run(
    "declare global { interface Array<T> { kept?: T } var keptToo: number }\nglobalThis.keptToo = 8;",
  );
  await run(
    "class Kept { k = 1 }\nlet kept = new Kept(); interface Kept2 { a: Kept } const deep: Kept2 = { a: kept };",
  );
  for (let i = 0; i < 1000; i++) {
    if (i % 100 === 0) await run(`class Kept { k${i} = ${i} }\nconst last = new Kept();`);
    assert.is(await run(`let again = { at: ${i} }; again.at`), i);
  }
  assert.equal(await run("[kept.k, deep.a.k, last.k900, new Kept().k900, again.at]"), [1, 1, 900, 900, 999]);
  assert.equal(await run("[[1].kept, keptToo]"), [undefined, 8], "what is global is so still");
  assert.match(await fails("kept.k900"), /'k900' does not exist on type 'Kept'/);
  assert.match(await fails("last.k"), /'k' does not exist on type 'Kept'/);
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
