/** The forms that products are computed in: each within what every device allows, and each size covered. */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { FORMS, formFor, memoryOf, SIMPLE, SOME_GPU, threadsOf, tilesOf } from "../../lib/jit/plan/forms.ts";

test("every form fits every device", () => {
  for (const form of FORMS) {
    assert.ok(threadsOf(form) <= 256, `${threadsOf(form)} threads`);
    assert.ok(memoryOf(form) <= 4096, `${memoryOf(form)} numbers of a workgroup's memory`);
    // A thread of the first slice for each sum of a factor's rows.
    assert.ok(threadsOf(form) / form.slices >= 1 && threadsOf(form) >= form.rows);
    assert.is((form.rows / form.eachRows) % 1, 0);
    assert.is((form.columns / form.eachColumns) % 1, 0);
  }
});

test("tiles cover a product of any size, and a small device has one form", () => {
  const size = fc.record({
    rows: fc.integer({ min: 1, max: 5000 }),
    columns: fc.integer({ min: 1, max: 5000 }),
    depth: fc.integer({ min: 1, max: 100_000 }),
    batch: fc.integer({ min: 1, max: 64 }),
  });
  fc.assert(
    fc.property(size, (one) => {
      const form = formFor(one, SOME_GPU);
      assert.ok(tilesOf(one, form) * form.rows * form.columns >= one.rows * one.columns * one.batch);
      assert.is(formFor(one, SIMPLE), formFor({ rows: 1, columns: 1, depth: 1, batch: 1 }, SIMPLE));
    }),
    { seed: 3 },
  );
});

test("large products have large tiles; few sums of many terms are shared", () => {
  const formOf = (rows: number, columns: number, depth: number) =>
    formFor({ rows, columns, depth, batch: 1 }, SOME_GPU);
  assert.is(formOf(65_536, 1152, 1152).rows, 64);
  // The gradient of a weight.
  assert.ok(formOf(384, 384, 2048).slices > 1);
  // The modulation of a batch of 8, and its gradient.
  for (const form of [formOf(8, 2304, 384), formOf(8, 384, 2304)]) {
    assert.is(form.rows, 8);
    assert.ok(form.slices > 1);
  }
  // A final layer's few columns.
  assert.ok(formOf(2048, 16, 384).columns < 32);
});

test.run();
