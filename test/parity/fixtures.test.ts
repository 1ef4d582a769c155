import { test } from "uvu";
import * as assert from "uvu/assert";
import { allRows } from "./rows.ts";

const rows = await allRows();

test("covers every array of the fixtures", () => {
  const sit = 8 + 2 * 8 + 2 * 55 + 113 + 6;
  const dit = 1 + 4 + 55 + 3;
  assert.is(rows.length, sit + dit + 3 + 5 + 10);
});

for (const { file, array, eager, jit, tolerance } of rows) {
  for (const [mode, error] of Object.entries({ eager, jit })) {
    if (error === undefined) continue;
    test(`${file} ${array}, ${mode}`, () => {
      assert.ok(error <= tolerance, `relative error ${error}, expected at most ${tolerance}`);
    });
  }
}

test.run();
