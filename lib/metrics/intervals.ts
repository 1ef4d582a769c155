/** How far a metric may be from what more samples of the same kind would give: confidence intervals, of 95 % unless said. */

/** Lowest and highest value. */
export type Interval = [low: number, high: number];

/** Two-sided 95 % quantile of the normal distribution. */
const NORMAL = 1.959963984540054;

/**
 * Two-sided quantile of Student's t with a whole number of degrees of freedom: where its distribution, a finite sum of
 * powers of a cosine (Abramowitz and Stegun, 26.7.3 and 26.7.4), reaches the level.
 */
export function studentQuantile(freedom: number, level = 0.95): number {
  if (!Number.isInteger(freedom) || freedom < 1)
    throw new RangeError(`Student's t needs whole degrees of freedom, 1 or more, got ${freedom}`);
  if (!(level > 0 && level < 1))
    throw new RangeError(`a confidence level lies between 0 and 1, got ${level}`);
  // Of the angle with tan(angle) = t / sqrt(freedom).
  let [low, high] = [0, Math.PI / 2];
  for (let halved = 0; halved < 60; halved++) {
    const angle = (low + high) / 2;
    if (withinT(angle, freedom) < level) low = angle;
    else high = angle;
  }
  return Math.sqrt(freedom) * Math.tan(low);
}

/** The probability that |t| is less than sqrt(freedom) tan(angle). */
function withinT(angle: number, freedom: number): number {
  const [sine, cosine] = [Math.sin(angle), Math.cos(angle)];
  const isOdd = freedom % 2 === 1;
  if (freedom === 1) return (2 / Math.PI) * angle;
  let term = isOdd ? cosine : 1;
  let sum = term;
  for (let k = isOdd ? 3 : 2; k < freedom; k += 2) {
    term *= ((k - 1) / k) * cosine ** 2;
    sum += term;
  }
  return isOdd ? (2 / Math.PI) * (angle + sine * sum) : sine * sum;
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

const around = (center: number, reach: number): Interval => [center - reach, center + reach];

/** Of the mean of independent values, two or more. */
export function meanInterval(values: readonly number[], level = 0.95): Interval {
  const center = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - center) ** 2, 0);
  const freedom = values.length - 1;
  return around(center, studentQuantile(freedom, level) * Math.sqrt(squares / freedom / values.length));
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
