/** Statistics of features that come in batches. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { gaussianAccumulator, gaussianStatistics } from "../../lib/metrics/index.ts";
import { randomGenerator } from "../../lib/tensor/index.ts";
import { rejects } from "../io/helpers.ts";
import { errorOf } from "./images.ts";

test("statistics of batches are those of all rows, also far from zero", async () => {
  const random = randomGenerator(2);
  const [count, size] = [1300, 7];
  const data = Float32Array.from({ length: count * size }, (_, i) => 1e3 * (i % size) + random.uniform());
  const all = gaussianStatistics({ data, count, size });
  const sums = await gaussianAccumulator(size);
  for (let start = 0; start < count; start += 300) {
    const rows = Math.min(300, count - start);
    await sums.add({ data: data.subarray(start * size, (start + rows) * size), count: rows, size });
  }
  const { mean, covariance } = await sums.statistics();
  assert.ok(errorOf(mean, all.mean) < 1e-14 && errorOf(covariance, all.covariance) < 1e-11);
  await rejects(sums.add({ data: new Float32Array(4), count: 1, size: 4 }), /have 4 columns, expected 7/);
  await sums.finish();
  const none = await gaussianAccumulator(2);
  await rejects(none.statistics(), /have 0 rows, expected at least 2/);
  const bad = { data: Float32Array.of(1, 2, 3, Number.NaN), count: 2, size: 2 };
  await rejects(none.add(bad), /The features hold NaN in row 1, column 1/);
  await none.finish();
});

test("statistics of groups are those of their rows, whatever came in which batch", async () => {
  const random = randomGenerator(5);
  const [count, size] = [1300, 3];
  const data = Float32Array.from(random.normals(count * size), (value) => value + 20);
  const groups = Array.from({ length: count }, () => random.integer(3));
  const sums = await gaussianAccumulator(size, 3);
  for (let start = 0; start < count; start += 256) {
    const rows = Math.min(256, count - start);
    const part = data.subarray(start * size, (start + rows) * size);
    await sums.add({ data: part, count: rows, size }, groups.slice(start, start + rows));
  }
  await sums.finish();
  for (const chosen of [[0, 2], [1], [0, 1, 2]]) {
    const rows = groups.flatMap((group, row) => (chosen.includes(group) ? [row] : []));
    const part = Float32Array.from(rows.flatMap((row) => [...data.subarray(row * size, (row + 1) * size)]));
    const want = gaussianStatistics({ data: part, count: rows.length, size });
    const { mean, covariance } = await sums.statistics(chosen);
    assert.ok(errorOf(mean, want.mean) < 1e-13 && errorOf(covariance, want.covariance) < 1e-11);
  }
});

test.run();
