/** What the numbers say about each pair of arms, and no more than that. */

import type { Interval } from "../../metrics/intervals.ts";
import type { ArmResult, Results } from "../results.ts";
import { finalStep, type Measure, mean, measuresOf, valueAt } from "./measures.ts";
import { differenceOf, judge, type Pair, pairsOf, sharedLevel } from "./paired.ts";

/** One seed's values of the two arms, and `difference = value - against`. */
export interface SeedDifference {
  seed: number;
  against: number;
  value: number;
  difference: number;
}

export type Verdict = "better" | "worse" | "not resolved";

/** One measure of two arms, paired by seed. Statistics are NaN when no seed has both values. */
export interface Finding {
  measure: Measure;
  /** The seeds where both values exist. */
  seeds: SeedDifference[];
  /** Seeds of the experiment where a value is missing or not finite. */
  missingSeeds: number[];
  /** Means over those seeds. */
  againstMean: number;
  valueMean: number;
  mean: number;
  /** Confidence interval of the mean difference, which decides. */
  interval: Interval;
  /** Of the arm, set against the other. */
  verdict: Verdict;
  /** Why the verdict is what it is, as a phrase. */
  reason: string;
}

/** Two arms compared by every measure. */
export interface PairComparison extends Pair {
  /** Of each interval: 0.95, or more where there are several pairs of arms. */
  level: number;
  findings: Finding[];
}

const finite = ({ difference }: SeedDifference): boolean => Number.isFinite(difference);

/** Compares two arms by one measure at one step, paired by seed: see `judge` for what counts as resolved. */
export function compare(
  seeds: readonly number[],
  { arm, against }: Pair,
  measure: Measure,
  step: number | undefined,
  level: number,
): Finding {
  const read = ({ runs }: ArmResult, seed: number): number =>
    valueAt(
      runs.find((run) => run.seed === seed),
      measure,
      step,
    );
  const all = seeds.map((seed): SeedDifference => {
    const [before, value] = [read(against, seed), read(arm, seed)];
    return { seed, against: before, value, difference: differenceOf(value, before) };
  });
  const complete = all.filter(finite);
  const missingSeeds = all.filter((entry) => !finite(entry)).map(({ seed }) => seed);
  const differences = complete.map(({ difference }) => difference);
  const { interval, side, reason } = judge(differences, missingSeeds.length, level);
  const better = measure.lowerIsBetter ? "below" : "above";
  return {
    measure,
    seeds: complete,
    missingSeeds,
    againstMean: mean(complete.map((entry) => entry.against)),
    valueMean: mean(complete.map(({ value }) => value)),
    mean: mean(differences),
    interval,
    verdict: side === "not resolved" ? side : side === better ? "better" : "worse",
    reason,
  };
}

/** What is to be expected of many comparisons. */
export interface Tally {
  /** Comparisons that could have resolved a difference: by two seeds or more, all of them with values. */
  judged: number;
  resolved: number;
  /** How many of them are resolved on average where no arm differs: an interval of 95 % leaves out 0 once in twenty times. */
  byChance: number;
}

export function tallyOf(comparisons: readonly PairComparison[]): Tally {
  const judged = comparisons.flatMap(({ findings, level }) =>
    findings
      .filter(({ seeds, missingSeeds }) => seeds.length > 1 && missingSeeds.length === 0)
      .map(({ verdict }) => ({ verdict, byChance: 1 - level })),
  );
  return {
    judged: judged.length,
    resolved: judged.filter(({ verdict }) => verdict !== "not resolved").length,
    byChance: judged.reduce((sum, { byChance }) => sum + byChance, 0),
  };
}

/** A comparison by what was not chosen beforehand, which is where chance picks. */
export const unplanned = (comparison: PairComparison): PairComparison => ({
  ...comparison,
  findings: comparison.findings.filter(({ measure }) => !measure.planned),
});

/** Every two arms compared by every measure, at the last step that every run was evaluated at. */
export function compareArms(results: Results): PairComparison[] {
  const step = finalStep(results);
  const measures = measuresOf(results);
  const pairs = pairsOf(results.arms);
  const level = sharedLevel(pairs.length);
  return pairs.map((pair) => ({
    ...pair,
    level,
    findings: measures.map((measure) => compare(results.seeds, pair, measure, step, level)),
  }));
}
