/** The last expression of a cell is its value. */
import { inspect } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openSession } from "./helpers.ts";

const { engine, run, fails } = await openSession();

test("an object at the end of a cell is its value", async () => {
  assert.equal(await run("{ a: 1, b: 2 }"), { a: 1, b: 2 });
  assert.equal(await run("{ a: 1 }"), { a: 1 });
  assert.equal(await run("{}"), {});
  assert.equal(await run('const n = 3;\n{\n  n,\n  "two words": [n], // a note\n} // the end'), {
    n: 3,
    "two words": [3],
  });
  assert.is(await run("let k = 1;\n{ k = 2 }\nk"), 2, "a block is a block");
  assert.is(await run("{ const inner = 5; inner }"), undefined);
  assert.is(await run("if (k === 2) { k = 3 }\nk"), 3);
  assert.is(engine.isComplete("{ a: 1, b: 2 }").status, "complete");
});

test("errors within such an object stand where they are", async () => {
  assert.match(
    await fails("const m = 1;\n{ a: m, b: missing }"),
    /cell\[\d+\]:2:12 - error TS2304: Cannot find name 'missing'/,
  );
});

test("functions and classes without a name have none", async () => {
  for (const code of [
    "(x: number) => x * 2",
    "(function () {})",
    "(class {})",
    "async () => 1",
    "(((a: number) => a))",
  ])
    assert.is(((await run(code)) as { name: string }).name, "", code);
  assert.is(inspect(await run("(x: number) => x * 2")), "[Function (anonymous)]");
  assert.is(((await run("const named = () => 1; named")) as { name: string }).name, "named");
});

test.run();
