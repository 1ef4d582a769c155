/** How far an order agrees with another one: Kendall's tau, and what seeds say of it. */
import type { Interval } from "../metrics/intervals.ts";
import { randomStream } from "../tensor/random.ts";

/**
 * Kendall's tau-b of two lists of numbers, from -1 (the other way round) to 1 (the same order); ties count for neither.
 * NaN where all of a list are tied.
 */
export function kendallTau(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length)
    throw new RangeError(`tau compares lists of one length, got ${a.length} and ${b.length}`);
  let [agreeing, tiedA, tiedB, pairs] = [0, 0, 0, 0];
  for (let i = 0; i < a.length; i++)
    for (let j = 0; j < i; j++) {
      const [x, y] = [Math.sign(a[i] - a[j]), Math.sign(b[i] - b[j])];
      agreeing += x * y;
      tiedA += x === 0 ? 1 : 0;
      tiedB += y === 0 ? 1 : 0;
      pairs++;
    }
  return agreeing / Math.sqrt((pairs - tiedA) * (pairs - tiedB));
}

/** Fewest seeds whose resampling says anything: of two there are three samples. */
export const FEWEST_SEEDS = 3;
const RESAMPLES = 2000;

/**
 * tau of an expected order with the means over seeds, and its 95 % interval by the percentiles of a bootstrap over seeds
 * (Efron and Tibshirani 1993, chapter 13), each drawn for all values together, as they are paired. `values` are by value,
 * then by seed. With fewer than three seeds there is no interval.
 */
export function tauOverSeeds(
  expected: readonly number[],
  values: readonly (readonly number[])[],
): { tau: number; interval?: Interval } {
  const seeds = values[0]?.length ?? 0;
  const meansOf = (draw: readonly number[]): number[] =>
    values.map((bySeed) => draw.reduce((sum, seed) => sum + bySeed[seed], 0) / draw.length);
  const every = Array.from({ length: seeds }, (_, seed) => seed);
  const tau = kendallTau(expected, meansOf(every));
  if (seeds < FEWEST_SEEDS) return { tau };
  const random = randomStream(0, "bootstrap of tau");
  const drawn = Array.from({ length: RESAMPLES }, () =>
    kendallTau(expected, meansOf(every.map(() => random.integer(seeds)))),
  )
    .filter(Number.isFinite)
    .sort((x, y) => x - y);
  if (drawn.length === 0) return { tau };
  const at = (share: number): number => drawn[Math.round(share * (drawn.length - 1))];
  return { tau, interval: [at(0.025), at(0.975)] };
}
