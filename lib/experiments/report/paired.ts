/** What paired differences say: the interval of their mean, and whether it tells that mean from none. */

import { type Interval, meanInterval } from "../../metrics/intervals.ts";
import type { ArmResult } from "../results.ts";
import { formatFixed, plural } from "./text.ts";

/** Two arms: what is said of `arm` when it is set against one that stands before it. */
export interface Pair {
  readonly against: ArmResult;
  readonly arm: ArmResult;
}

/** Every two arms once, those with the first arm first. */
export const pairsOf = (arms: readonly ArmResult[]): Pair[] =>
  arms.flatMap((against, i) => arms.slice(i + 1).map((arm) => ({ against, arm })));

/**
 * The level of each of several intervals. Of twenty single intervals of 95 % one leaves out the truth, so that among many
 * pairs of arms some would always seem to differ. Bonferroni's correction shares the 5 % out among the pairs: that any of
 * them leaves out the truth has then a chance of at most 5 %, and the interval that decides is still one to be drawn. Of
 * one pair it is the interval of 95 %.
 */
export const sharedLevel = (pairs: number): number => 1 - 0.05 / Math.max(1, pairs);

/** `95 %`, `99.17 %`. */
export const formatLevel = (level: number): string =>
  `${formatFixed(level * 100, 2).replace(/\.?0+$/, "")}\u00a0%`;

/** The confidence interval of the mean of paired differences (Student's t); NaN for fewer than two. */
export const confidenceInterval = (differences: readonly number[], level: number): Interval =>
  differences.length < 2 ? [Number.NaN, Number.NaN] : meanInterval(differences, level);

/** As a share of what they are differences of: means over other numbers of blocks differ in the last digits alone. */
const ROUNDING = 1e-9;

/** `value - against`, and 0 where no more than rounding is between them. */
export function differenceOf(value: number, against: number): number {
  const difference = value - against;
  return Math.abs(difference) <= ROUNDING * Math.max(Math.abs(value), Math.abs(against)) ? 0 : difference;
}

/** Spread of differences, as a share of the largest, below which they are the same: what is left of their rounding. */
const SPREAD = 1e-6;

/**
 * Whether all differences are one number. Their interval would have no width, as if one more seed were sure to say the
 * same; but shares of some hundred images are equal by chance, and where no chance is in it, the seeds were none.
 */
const areSame = (differences: readonly number[]): boolean =>
  Math.max(...differences) - Math.min(...differences) <= SPREAD * Math.max(...differences.map(Math.abs));

export interface Judgement {
  interval: Interval;
  /** Where the mean lies: above none, below it, or not told from it. */
  side: "above" | "below" | "not resolved";
  /** Why, as a phrase. */
  reason: string;
}

/**
 * Judges a mean difference. It counts as resolved only if there are at least two seeds, none of them lacks a value, they
 * are not all the same to the last digit, and the interval does not hold 0.
 *
 * @param none How "no difference" is written where it is not 0, such as a ratio of 1 whose logarithm is judged.
 */
export function judge(differences: readonly number[], missing: number, level: number, none = "0"): Judgement {
  const isSpread = differences.length > 1 && !areSame(differences);
  const interval: Interval = isSpread ? confidenceInterval(differences, level) : [Number.NaN, Number.NaN];
  const unresolved = (reason: string): Judgement => ({ interval, side: "not resolved", reason });
  if (differences.length === 0) return unresolved("no seed has a value in both arms");
  if (missing > 0) return unresolved(`no value in both arms for ${plural(missing, "seed")}`);
  if (differences.length === 1) return unresolved("one seed shows no spread");
  if (!isSpread)
    return unresolved(
      differences[0] === 0 ? "equal in every seed" : "the same in every seed, which shows no spread",
    );
  const [low, high] = interval;
  const name = `the ${formatLevel(level)} interval`;
  if (low <= 0 && high >= 0) return unresolved(`${name} holds ${none}`);
  return { interval, side: low > 0 ? "above" : "below", reason: `${name} excludes ${none}` };
}
