/** Confidence intervals against tables, closed forms, and how often they cover the truth. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  frechetDistance,
  gaussianStatistics,
  jackknifeInterval,
  meanInterval,
  shareInterval,
} from "../../lib/metrics/index.ts";
import { studentQuantile } from "../../lib/metrics/intervals.ts";
import { randomGenerator } from "../../lib/tensor/index.ts";
import { close } from "./helpers.ts";

test("Student's quantiles are those of the tables", () => {
  const z = 1.959963984540054;
  for (const [freedom, want, tolerance] of [
    [1, Math.tan(0.475 * Math.PI), 1e-12],
    [2, 0.95 / Math.sqrt(2 * 0.975 * 0.025), 1e-12],
    [3, 3.182446305284263, 1e-12],
    [4, 2.7764451051977987, 1e-12],
    [5, 2.570581835636314, 1e-12],
    [9, 2.26215716274, 1e-10],
    [10, 2.22813885196, 1e-10],
    [11, 2.20098516008, 1e-10],
    [30, 2.0422724563012373, 1e-12],
    // The normal distribution's, by the first terms of the expansion around it (Abramowitz and Stegun, 26.7.5).
    [1e5, z + (z ** 3 + z) / 4e5 + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96e10, 1e-11],
  ])
    close(studentQuantile(freedom), want, tolerance, `t of ${freedom}`);
  for (const freedom of [0, 2.5, Number.NaN])
    assert.throws(() => studentQuantile(freedom), /needs whole degrees of freedom, 1 or more, got/);
  // Closed forms of one and two degrees of freedom, and the table's t(0.995, 10), at other levels.
  const level = 1 - 0.05 / 6;
  close(studentQuantile(1, level), Math.tan((Math.PI * level) / 2), 1e-9);
  close(studentQuantile(2, level), level * Math.sqrt(2 / (1 - level ** 2)), 1e-9);
  close(studentQuantile(10, 0.99), 3.16927267, 1e-7);
  for (const wrong of [0, 1, 95, Number.NaN])
    assert.throws(() => studentQuantile(3, wrong), /a confidence level lies between 0 and 1, got/);
});

test("the jackknife of a mean is the mean's own interval", () => {
  const groups = [1, 4, 2, 8, 5];
  const total = groups.reduce((sum, value) => sum + value, 0);
  const without = groups.map((value) => (total - value) / 4);
  const [low, high] = jackknifeInterval(total / 5, without);
  const [wantLow, wantHigh] = meanInterval(groups);
  close(low, wantLow, 1e-12);
  close(high, wantHigh, 1e-12);
  // Mean 4, standard error sqrt(7.5 / 5).
  close(high - 4, studentQuantile(4) * Math.sqrt(7.5 / 5), 1e-12);
  close(meanInterval(groups, 0.99)[1] - 4, studentQuantile(4, 0.99) * Math.sqrt(7.5 / 5), 1e-12);
});

test("a share's interval is Wilson's", () => {
  const [low, high] = shareInterval(0.5, 100);
  close(low, 0.40383, 1e-5);
  close(high, 0.59617, 1e-5);
  const [none, some] = shareInterval(0, 10);
  assert.is(none, 0);
  close(some, 0.27753, 1e-5);
  close(shareInterval(1, 10)[1], 1, 1e-15);
});

test("19 of 20 intervals of Frechet distances hold the distance that such samples have on average", async () => {
  const random = randomGenerator(8);
  const [runs, count, groups] = [200, 400, 10];
  const reference = { mean: Float64Array.of(0, 0), covariance: Float64Array.of(1, 0.2, 0.2, 2) };
  const distanceOf = (rows: Float64Array[]): Promise<number> => {
    const data = Float64Array.from(rows.flatMap((row) => [...row]));
    return frechetDistance(reference, gaussianStatistics({ data, count: rows.length, size: 2 }));
  };
  const draw = async () => {
    const rows = Array.from({ length: count }, () =>
      Float64Array.from(random.normals(2), (value, j) => 0.4 + (j + 1) * value),
    );
    const without = Array.from({ length: groups }, (_, group) =>
      distanceOf(rows.filter((_, i) => i % groups !== group)),
    );
    const distance = await distanceOf(rows);
    return { distance, interval: jackknifeInterval(distance, await Promise.all(without)) };
  };
  const results = await Promise.all(Array.from({ length: runs }, draw));
  const average = results.reduce((sum, { distance }) => sum + distance, 0) / runs;
  const held = results.filter(({ interval: [low, high] }) => low <= average && average <= high).length;
  // Of 200, 190 expected; three standard deviations are 9.
  assert.ok(held >= 180 && held <= 199, `${held} of ${runs}`);
});

test.run();
