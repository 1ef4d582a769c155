import { readFile } from "node:fs/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { normalTensor, type RandomGenerator, randomGenerator, randomStream } from "../../lib/tensor/index.ts";
import { streams01 } from "../../lib/tensor/random.ts";

const COUNT = 100_000;
const moment = (values: ArrayLike<number>, power: number): number =>
  Array.from(values).reduce((sum, x) => sum + x ** power, 0) / values.length;

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

/** Families of generators that must be independent of each other, by a number from 0. */
const FAMILIES: Record<string, (i: number) => RandomGenerator> = {
  "neighbouring seeds": (i) => randomGenerator(i),
  "negative seeds": (i) => randomGenerator(-i - 1),
  "large seeds": (i) => randomGenerator(2 ** 40 + i),
  "seeds that differ in high bits": (i) => randomGenerator(i * 2 ** 32),
  "indices of a stream": (i) => randomStream(0, "noise", i),
  "seeds of a stream": (i) => randomStream(i, "noise", 0),
  "names of streams": (i) => randomStream(0, `purpose ${i}`),
};
const MANY = 4000;
const POSITIONS = 16;

for (const [name, generator] of Object.entries(FAMILIES)) {
  const rows = (): Float32Array[] => Array.from({ length: MANY }, (_, i) => generator(i).normals(POSITIONS));

  test(`${name}: every position is standard normal over the generators`, () => {
    const all = rows();
    for (let position = 0; position < POSITIONS; position++) {
      const column = all.map((row) => row[position]);
      // Five standard errors: 1 / sqrt(n) of the mean, sqrt(2 / n) of the variance.
      assert.ok(Math.abs(moment(column, 1)) < 5 / Math.sqrt(MANY), `mean at ${position}`);
      assert.ok(Math.abs(moment(column, 2) - 1) < 5 * Math.sqrt(2 / MANY), `variance at ${position}`);
    }
  });

  test(`${name}: neighbours do not correlate, nor do positions`, () => {
    const all = rows();
    for (const lag of [1, 2, 3, 64]) {
      let sum = 0;
      for (let i = lag; i < MANY; i++)
        for (let position = 0; position < POSITIONS; position++)
          sum += all[i][position] * all[i - lag][position];
      const pairs = (MANY - lag) * POSITIONS;
      assert.ok(Math.abs(sum / pairs) < 5 / Math.sqrt(pairs), `lag ${lag}: ${sum / pairs}`);
    }
    for (let a = 0; a < POSITIONS; a++)
      for (let b = 0; b < a; b++) {
        const product = all.reduce((sum, row) => sum + row[a] * row[b], 0) / MANY;
        assert.ok(Math.abs(product) < 5.5 / Math.sqrt(MANY), `positions ${a} and ${b}: ${product}`);
      }
  });

  test(`${name}: permutations put every example everywhere`, () => {
    const size = 8;
    const counts = Array.from({ length: size }, () => new Array(size).fill(0));
    for (let i = 0; i < MANY; i++) {
      generator(i)
        .permutation(size)
        .forEach((example, place) => {
          counts[example][place]++;
        });
    }
    const expected = MANY / size;
    const chiSquare = counts.flat().reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
    // 49 degrees of freedom: above 100 once in 25,000 tests.
    assert.ok(chiSquare < 100, `chi-square ${chiSquare}`);
  });
}

test("the last examples of a large data set move", () => {
  const last = [0, 1, 2, 3].map((seed) => randomGenerator(seed).permutation(60_000)[59_999]);
  assert.is(new Set(last).size, 4);
  assert.not.ok(last.includes(59_999));
});

test("a stream does not depend on others: what was drawn before changes nothing", () => {
  const wanted = randomStream(5, "noise", 17).normals(6);
  const other = randomStream(5, "noise", 16);
  other.normals(1000);
  assert.equal(randomStream(5, "noise", 17).normals(6), wanted);
  assert.not.equal(other.normals(6), wanted);
  // Parts of a name must not run into each other.
  assert.not.equal(randomStream(1, "a", 12).normals(6), randomStream(11, "a", 2).normals(6));
  assert.not.equal(randomStream(0, "a,1").normals(6), randomStream(0, "a", 1).normals(6));
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
  assert.throws(() => randomStream(1, "noise", 0.5), /index must be an integer, got 0.5/);
});

test("the numbers of ditlab 0.1 are still there for its runs", async () => {
  const path = new URL("../fixtures/run-0.1/draws.json", import.meta.url);
  const { "seed 7": recorded, orders } = JSON.parse(await readFile(path, "utf8"));
  const random = streams01(0, "window", 7);
  assert.equal([...random.normals(5)], recorded.normals);
  assert.equal([...random.uniforms(3)], recorded.uniforms);
  assert.equal([random.integer(10), random.integer(1000)], recorded.integers);
  const order = (seed: number, epoch: number): number[] => [
    ...streams01(seed, "epoch", epoch).permutation(12),
  ];
  assert.equal([order(3, 0), order(3, 1), order(11, 5)], orders);
});

test.run();
