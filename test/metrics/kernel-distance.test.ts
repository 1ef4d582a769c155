import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Features, kernelDistance } from "../../lib/metrics/index.ts";
import { randomGenerator } from "../../lib/tensor/index.ts";
import { rejects } from "../io/helpers.ts";

test("the kernel distance is its definition, and near 0 for one distribution", async () => {
  const random = randomGenerator(3);
  const make = (count: number, shift: number): Features => ({
    data: Float32Array.from(random.normals(count * 4), (value) => value + shift),
    count,
    size: 4,
  });
  const [a, b] = [make(40, 0), make(30, 0.5)];
  const kernel = (x: Features, i: number, y: Features, j: number): number => {
    let sum = 0;
    for (let d = 0; d < 4; d++) sum += x.data[i * 4 + d] * y.data[j * 4 + d];
    return (sum / 4 + 1) ** 3;
  };
  // All rows of the smaller set are in every subset; with one of the larger set's size too there is one value.
  const same = { ...b, data: b.data.map((value) => value + 1) };
  let [within, between] = [0, 0];
  for (let i = 0; i < 30; i++)
    for (let j = 0; j < 30; j++) {
      if (i !== j) within += kernel(b, i, b, j) + kernel(same, i, same, j);
      between += kernel(b, i, same, j);
    }
  const { mean, deviation } = await kernelDistance(b, same, { subsets: 3 });
  assert.ok(Math.abs(mean - (within / (30 * 29) - (2 * between) / 900)) < 1e-9 && deviation < 1e-9);
  const close = await kernelDistance(make(900, 0), make(900, 0), { subsets: 20, subsetSize: 200 });
  assert.ok(Math.abs(close.mean) < 3 * close.deviation && close.deviation > 0, JSON.stringify(close));
  assert.ok((await kernelDistance(a, b, { subsets: 20 })).mean > 0.1);
  await rejects(kernelDistance(a, { ...b, size: 3, count: 40 }), /have 4 columns and the .* 3/);
});

test.run();
