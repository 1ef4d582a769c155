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

export interface Judgement {
  interval: Interval;
  /** Where the mean lies: above none, below it, or not told from it. */
  side: "above" | "below" | "not resolved";
  /** Why, as a phrase. */
  reason: string;
}

/**
 * Judges a mean difference. It counts as resolved only if there are at least two seeds, none of them lacks a value, and
 * the interval does not hold 0.
 *
 * @param none How "no difference" is written where it is not 0, such as a ratio of 1 whose logarithm is judged.
 */
export function judge(differences: readonly number[], missing: number, level: number, none = "0"): Judgement {
  const interval = confidenceInterval(differences, level);
  const unresolved = (reason: string): Judgement => ({ interval, side: "not resolved", reason });
  if (differences.length === 0) return unresolved("no seed has a value in both arms");
  if (missing > 0) return unresolved(`no value in both arms for ${plural(missing, "seed")}`);
  if (differences.length === 1) return unresolved("one seed shows no spread");
  const [low, high] = interval;
  const name = `the ${formatLevel(level)} interval`;
  // Written so that equal differences of zero are not resolved.
  if (!(low > 0 || high < 0)) return unresolved(`${name} holds ${none}`);
  return { interval, side: low > 0 ? "above" : "below", reason: `${name} excludes ${none}` };
}
