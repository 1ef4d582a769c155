/** The forms that products are computed in: each within what every device allows, and each size covered. */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  FORMS,
  formFor,
  matrixForms,
  memoryOf,
  SIMPLE,
  SOME_GPU,
  threadsOf,
  tilesOf,
} from "../../lib/jit/plan/forms.ts";

const MATRICES = { format: "float16" as const, M: 16, N: 16, K: 16, threads: 32 };

test("every form has threads and memory that devices have, and its parts divide it", () => {
  for (const form of [...FORMS, ...matrixForms(MATRICES)]) {
    const { rows, columns, eachRows, eachColumns, terms, matrices } = form;
    const threads = threadsOf(form);
    assert.ok(threads <= 256, `${threads} threads`);
    assert.ok(memoryOf(form) <= 49_152, `${memoryOf(form)} bytes of a workgroup's memory`);
    // Each thread brings as many numbers of a tile, and lines of four are not cut.
    for (const across of [rows, columns]) {
      assert.is(((across * terms) / threads) % 1, 0, `${rows}x${columns}`);
      assert.is(across % 4, 0);
    }
    assert.is((rows / eachRows) % 1, 0);
    assert.is((columns / eachColumns) % 1, 0);
    // A thread for each sum of a factor's rows.
    if (matrices) assert.is((eachRows % matrices.M) + (eachColumns % matrices.N) + (terms % matrices.K), 0);
    else assert.ok(threads >= rows, `${threads} threads for ${rows} rows`);
  }
  // The least memory that a device may have is enough for some.
  assert.ok(FORMS.filter((form) => form.terms > 0 && memoryOf(form) <= 16_384).length >= 4);
});

test("tiles cover a product of any size, and a small device has one form", () => {
  const size = fc.record({
    rows: fc.integer({ min: 1, max: 5000 }),
    columns: fc.integer({ min: 1, max: 5000 }),
    depth: fc.integer({ min: 1, max: 100_000 }),
    batch: fc.integer({ min: 1, max: 64 }),
  });
  fc.assert(
    fc.property(size, fc.constantFrom(undefined, MATRICES), (one, matrices) => {
      const device = { ...SOME_GPU, matrices, workgroupMemory: matrices ? 32_768 : 16_384 };
      const { form, parts } = formFor(one, device);
      assert.ok(tilesOf(one, form) * form.rows * form.columns >= one.rows * one.columns * one.batch);
      assert.ok(parts >= 1 && parts <= Math.max(1, one.depth / 128), `${parts} parts of ${one.depth} terms`);
      assert.ok(memoryOf(form) <= device.workgroupMemory);
      assert.is(form.matrices, matrices);
      const simple = formFor(one, SIMPLE);
      assert.is(simple.form, formFor({ rows: 1, columns: 1, depth: 1, batch: 1 }, SIMPLE).form);
      assert.is(simple.parts, 1);
    }),
    { seed: 3 },
  );
});

test("large products have large tiles; few sums of many terms are made in parts", () => {
  const choice = (rows: number, columns: number, depth: number) =>
    formFor({ rows, columns, depth, batch: 1 }, { ...SOME_GPU, workgroupMemory: 49_152 });
  const large = choice(65_536, 1152, 1152);
  assert.ok(large.form.rows * large.form.columns >= 128 * 64 && large.parts === 1, JSON.stringify(large));
  // The gradient of a weight.
  assert.ok(choice(384, 384, 8192).parts > 1);
  // The modulation of a batch of 8, and its gradient.
  for (const { form, parts } of [choice(8, 2304, 384), choice(8, 384, 2304)]) {
    assert.is(form.rows, 8);
    assert.ok(parts > 0);
  }
  assert.ok(choice(8, 384, 2304).parts > 1);
  // A final layer's few columns.
  assert.ok(choice(2048, 16, 384).form.columns <= 64);
});

test.run();
