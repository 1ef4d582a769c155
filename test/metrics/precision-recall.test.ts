import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Features, precisionRecall } from "../../lib/metrics/index.ts";
import { randomGenerator } from "../../lib/tensor/index.ts";
import { rejects } from "../io/helpers.ts";
import { features, featuresOf, firstRows, matches, reference } from "./helpers.ts";

const real = featuresOf(reference.reference);
const generated = featuresOf(reference.samples);

/** The definition, pair by pair. */
function share(points: Features, manifold: Features, k: number): number {
  const distance = (a: Features, i: number, b: Features, j: number): number => {
    let sum = 0;
    for (let d = 0; d < a.size; d++) sum += (a.data[i * a.size + d] - b.data[j * b.size + d]) ** 2;
    return sum;
  };
  const rows = (set: Features) => Array.from({ length: set.count }, (_, i) => i);
  const radii = rows(manifold).map((i) => {
    const others = rows(manifold).filter((j) => j !== i);
    return others.map((j) => distance(manifold, i, manifold, j)).sort((a, b) => a - b)[k - 1];
  });
  const within = rows(points).filter((i) => radii.some((r, j) => distance(points, i, manifold, j) <= r));
  return within.length / points.count;
}

test("agrees with the reference", async () => {
  const { precision, recall } = await precisionRecall(real, generated);
  matches(precision, "precision_k3", 1e-12);
  matches(recall, "recall_k3", 1e-12);
});

test("exchanging the sets exchanges the values", async () => {
  const { precision, recall } = await precisionRecall(generated, real, { k: 3 });
  matches(recall, "precision_k3", 1e-12);
  matches(precision, "recall_k3", 1e-12);
});

test("agrees with the definition at any count, also across tiles", async () => {
  for (const [a, b, k] of [
    [2, 3, 1],
    [33, 31, 2],
    [65, 70, 5],
  ]) {
    const [first, second] = [firstRows(real, a), firstRows(generated, b)];
    const { precision, recall } = await precisionRecall(first, second, { k });
    assert.is(precision, share(second, first, k));
    assert.is(recall, share(first, second, k));
  }
});

test("blocks of rows change nothing: a point and its copies are inside at any place", async () => {
  const [count, size] = [1100, 6];
  const random = randomGenerator(4);
  const data = Float32Array.from({ length: count * size }, () => 1000 + random.uniform());
  // Every row twice: all radii are 0, and only equality puts a row inside.
  const twice = new Float32Array(2 * count * size);
  twice.set(data);
  twice.set(data, count * size);
  const [once, copies] = [
    { data, count, size },
    { data: twice, count: 2 * count, size },
  ];
  assert.equal(await precisionRecall(copies, once, { k: 1 }), { precision: 1, recall: 1 });
  const moved = { ...once, data: data.map((value, i) => (i % size === 0 ? value + 1e-3 : value)) };
  assert.is((await precisionRecall(copies, moved, { k: 1 })).precision, 0);
});

test("has the values one can see", async () => {
  // Four points at distance 1 from the next: with k = 1 each ball has radius 1, and its surface is inside.
  const line = features(1, 0, 1, 2, 3);
  assert.equal((await precisionRecall(line, features(1, -1, 4, 4.001, 10), { k: 1 })).precision, 0.5);
  assert.equal(await precisionRecall(line, line), { precision: 1, recall: 1 });
  const far = features(1, 100, 101, 102, 103);
  assert.equal(await precisionRecall(line, far), { precision: 0, recall: 0 });
  // Copies have radius 0 and still contain one another, far from the origin as well.
  const copies = features(2, ...new Array(10).fill(1e8 / 3));
  assert.equal(await precisionRecall(copies, copies), { precision: 1, recall: 1 });
});

test("refuses what cannot be compared", async () => {
  const good = features(1, 0, 1, 2, 3);
  await rejects(
    precisionRecall(good, features(1, 0, 1, 2)),
    /sample features have 3 rows, expected at least 4/,
  );
  await rejects(precisionRecall(features(1, 0), good), /reference features have 1 rows/);
  await rejects(
    precisionRecall(good, features(2, 0, 1, 2, 3, 4, 5, 6, 7)),
    /1 columns .* 2: they must be equal/,
  );
  await rejects(precisionRecall(good, features(1, 0, 1, Number.NaN, 3)), /sample features hold NaN in row 2/);
  await rejects(precisionRecall(good, good, { k: 0 }), /k must be a positive integer, got 0/);
});

test.run();
