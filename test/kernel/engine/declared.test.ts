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

const { run, fails, said } = await openSession(secretive);

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

test.run();
