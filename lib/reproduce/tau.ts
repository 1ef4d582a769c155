/** How far an order agrees with another one: Kendall's tau, and what seeds say of it. */
import { type Interval, studentQuantile } from "../metrics/intervals.ts";
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

/**
 * Fewest seeds whose resampling says enough: where there is no order, an interval of four lies on one side of 0 in 7 to 10 of
 * 100 experiments, of three in 20, and of five or more in at most 3.
 */
export const FEWEST_SEEDS = 5;
const RESAMPLES = 2000;

/** How much of a standard normal lies beyond z, to 1e-7 (Abramowitz and Stegun 7.1.26). */
function tailOf(z: number): number {
  const t = 1 / (1 + (0.3275911 * z) / Math.SQRT2);
  const terms = [0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429];
  return (terms.reduceRight((sum, term) => (sum + term) * t, 0) * Math.exp((-z * z) / 2)) / 2;
}

/**
 * tau of an expected order with the means over seeds, and its 95 % interval by a bootstrap over seeds, each drawn for all
 * values together, as they are paired: between percentiles that are expanded for few seeds (Hesterberg 2015, section 4.3),
 * without which it is too narrow. `values` are by value, then by seed. With fewer than five seeds there is no interval.
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
  const tail = tailOf(studentQuantile(seeds - 1, 0.95) * Math.sqrt(seeds / (seeds - 1)));
  return { tau, interval: [at(tail), at(1 - tail)] };
}
