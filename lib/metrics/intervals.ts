/** How far a metric may be from what more samples of the same kind would give: 95 % confidence intervals. */

/** Lowest and highest value. */
export type Interval = [low: number, high: number];

/** Two-sided 95 % quantile of the normal distribution. */
const NORMAL = 1.959963984540054;

/**
 * Two-sided 95 % quantile of Student's t: closed forms for 1 and 2 degrees of freedom, from 3 on to 1 % by its expansion
 * around the normal one (Abramowitz and Stegun, 26.7.5).
 */
export function studentQuantile(freedom: number): number {
  if (freedom === 1) return Math.tan(0.475 * Math.PI);
  if (freedom === 2) return 0.95 / Math.sqrt(2 * 0.975 * 0.025);
  const z = NORMAL;
  return (
    z +
    (z ** 3 + z) / (4 * freedom) +
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * freedom ** 2) +
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * freedom ** 3)
  );
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

const around = (center: number, reach: number): Interval => [center - reach, center + reach];

/** Of the mean of independent values, two or more. */
export function meanInterval(values: readonly number[]): Interval {
  const center = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - center) ** 2, 0);
  const freedom = values.length - 1;
  return around(center, studentQuantile(freedom) * Math.sqrt(squares / freedom / values.length));
}

/**
 * Of an estimate, by the jackknife (Efron and Tibshirani 1993, chapter 11): `without` are the estimates that leave out
 * one of equal groups of the samples each, two or more. The bias, which is another matter, is not taken off.
 */
export function jackknifeInterval(estimate: number, without: readonly number[]): Interval {
  const center = mean(without);
  const squares = without.reduce((sum, value) => sum + (value - center) ** 2, 0);
  const freedom = without.length - 1;
  return around(estimate, studentQuantile(freedom) * Math.sqrt((squares * freedom) / without.length));
}

/** Of a share out of `count` independent draws (Wilson 1927), within 0 .. 1. */
export function shareInterval(share: number, count: number): Interval {
  const z2 = NORMAL ** 2 / count;
  const reach = Math.sqrt(share * (1 - share) * z2 + z2 ** 2 / 4);
  const [low, high] = around(share + z2 / 2, reach).map((value) => value / (1 + z2));
  return [Math.max(0, low), Math.min(1, high)];
}
