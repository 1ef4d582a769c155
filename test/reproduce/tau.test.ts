/** Kendall's tau against closed forms, and what a bootstrap over seeds makes of it. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { kendallTau, tauOverSeeds } from "../../lib/reproduce/index.ts";
import { randomGenerator } from "../../lib/tensor/index.ts";

test("tau is 1 in the same order, -1 in the opposite one, and counts pairs between", () => {
  assert.is(kendallTau([1, 2, 3, 4], [10, 20, 30, 40]), 1);
  assert.is(kendallTau([1, 2, 3, 4], [4, 3, 2, 1]), -1);
  // One pair of six the other way round.
  assert.ok(Math.abs(kendallTau([1, 2, 3, 4], [1, 3, 2, 4]) - 4 / 6) < 1e-15);
  assert.ok(Math.abs(kendallTau([12, 2, 1, 12, 2], [1, 4, 7, 1, 0]) - -0.47140452079103173) < 1e-15);
  assert.ok(Number.isNaN(kendallTau([1, 1, 1], [1, 2, 3])));
  assert.throws(() => kendallTau([1, 2], [1]), /tau compares lists of one length, got 2 and 1/);
});

test("the interval is as wide as seeds differ, and needs five of them", () => {
  const expected = [1, 2, 3, 4, 5];
  const random = randomGenerator(1);
  const noisy = (noise: number, seeds: number): number[][] =>
    expected.map((value) => Array.from({ length: seeds }, () => value + noise * random.normal()));
  assert.equal(tauOverSeeds(expected, noisy(0, 4)), { tau: 1 });
  assert.equal(tauOverSeeds(expected, noisy(0, 5)), { tau: 1, interval: [1, 1] });
  const { tau, interval } = tauOverSeeds(expected, noisy(1.5, 8));
  const [low, high] = interval!;
  assert.ok(low < tau && tau <= high && high - low > 0.2, `${low} ${tau} ${high}`);
});

test("where there is no order, an interval of 95 % seldom finds one, with few seeds too", () => {
  // With the plain percentiles of a bootstrap it was 10 of 100 with five seeds.
  const random = randomGenerator(3);
  for (const seeds of [5, 8]) {
    let alarms = 0;
    for (let trial = 0; trial < 100; trial++) {
      const values = Array.from({ length: 6 }, () => [...random.normals(seeds)]);
      const [low, high] = tauOverSeeds([1, 2, 3, 4, 5, 6], values).interval!;
      if (low > 0 || high < 0) alarms++;
    }
    assert.ok(alarms <= 5, `${alarms} of 100 with ${seeds} seeds`);
  }
});

test("seeds are drawn for all values together, as they are paired", () => {
  // Every seed has the same order, but lies elsewhere.
  const shifted = [1, 2, 3].map((value) => [0, 100, -50, 7, 3].map((seed) => value + seed));
  assert.equal(tauOverSeeds([1, 2, 3], shifted).interval, [1, 1]);
});

test.run();
