import { test } from "uvu";
import * as assert from "uvu/assert";
import { parityRows } from "./rows.ts";

const rows = await parityRows();

test("covers every array of the fixtures", () => {
  assert.is(rows.length, 8 + 2 * 8 + 2 * 55 + 113 + 6);
});

for (const { file, array, eager, jit, tolerance } of rows) {
  for (const [mode, error] of Object.entries({ eager, jit })) {
    test(`${file} ${array}, ${mode}`, () => {
      assert.ok(error <= tolerance, `relative error ${error}, expected at most ${tolerance}`);
    });
  }
}

test.run();
