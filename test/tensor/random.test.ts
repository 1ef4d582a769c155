import { test } from "uvu";
import * as assert from "uvu/assert";
import { normalTensor, randomGenerator } from "../../lib/tensor/index.ts";

const COUNT = 100_000;
const moment = (values: Float32Array, power: number): number =>
  values.reduce((sum, x) => sum + x ** power, 0) / values.length;

test("uniforms lie in [0, 1) with the moments of a uniform", () => {
  const values = randomGenerator(1).uniforms(COUNT);
  assert.ok(values.every((x) => x >= 0 && x < 1));
  assert.ok(Math.abs(moment(values, 1) - 1 / 2) < 0.005);
  assert.ok(Math.abs(moment(values, 2) - 1 / 3) < 0.005);
});

test("normals have the moments of a normal", () => {
  for (const values of [
    randomGenerator(2).normals(COUNT),
    Float32Array.from({ length: COUNT }, randomGenerator(3).normal),
  ]) {
    assert.ok(Math.abs(moment(values, 1)) < 0.015);
    assert.ok(Math.abs(moment(values, 2) - 1) < 0.02);
    assert.ok(Math.abs(moment(values, 3)) < 0.06);
    assert.ok(Math.abs(moment(values, 4) - 3) < 0.15);
  }
});

test("integers cover their range evenly", () => {
  const random = randomGenerator(4);
  const counts = new Array(7).fill(0);
  for (let i = 0; i < 70_000; i++) counts[random.integer(7)]++;
  assert.ok(
    counts.every((n) => Math.abs(n - 10_000) < 500),
    `${counts}`,
  );
});

test("a permutation holds every number once, in another order each time", () => {
  const random = randomGenerator(5);
  const [a, b] = [random.permutation(1000), random.permutation(1000)];
  assert.equal(
    [...a].sort((x, y) => x - y),
    Array.from({ length: 1000 }, (_, i) => i),
  );
  assert.not.equal([...a], [...b]);
});

test("a saved state goes on exactly", () => {
  const random = randomGenerator(6);
  random.normals(13);
  const again = randomGenerator(JSON.parse(JSON.stringify(random.state())));
  assert.equal(again.normals(7), random.normals(7));
  assert.equal(again.permutation(9), random.permutation(9));
  assert.is(again.integer(1000), random.integer(1000));
});

test("equal seeds give equal numbers, others do not; a seed is an integer", () => {
  const draw = (seed: number): number[] => Array.from(normalTensor(randomGenerator(seed), [2, 3]).dataSync());
  assert.equal(draw(8), draw(8));
  assert.not.equal(draw(8), draw(9));
  assert.not.equal(draw(-8), draw(8));
  assert.throws(() => randomGenerator(0.5), /seed must be an integer, got 0.5/);
  assert.throws(() => randomGenerator(Number.NaN), /seed must be an integer, got NaN/);
});

test.run();
