/** What the numbers say about SRA against the baseline, and no more than that. */

import { type Interval, meanInterval } from "../../metrics/intervals.ts";
import type { ArmName, Evaluation, Results, RunResult } from "../results.ts";
import { digitsFor, formatCount, formatDifference, joinList, type NumberFormat, plural } from "./text.ts";

/** One quantity that both arms are compared by. */
export interface Measure {
  key: string;
  /** Heading, for example `Frechet distance`. */
  label: string;
  /** Name inside a sentence, for example `precision`. */
  phrase: string;
  lowerIsBetter: boolean;
  format: NumberFormat;
  read: (evaluation: Evaluation) => number;
}

/** One seed's pair of values and `difference = sra - baseline`. */
export interface SeedDifference {
  seed: number;
  baseline: number;
  sra: number;
  difference: number;
}

export type Verdict = "better" | "worse" | "not resolved";

/** The paired comparison of one measure. Statistics are NaN when no seed has both values. */
export interface Finding {
  measure: Measure;
  /** Seeds where both values exist. */
  pairs: SeedDifference[];
  /** Seeds of the experiment where a value is missing or not finite. */
  missingSeeds: number[];
  /** 95 % confidence interval of the mean difference. */
  interval: [low: number, high: number];
  meanBaseline: number;
  meanSra: number;
  mean: number;
  min: number;
  max: number;
  /** `max - min` of the differences. */
  spread: number;
  verdict: Verdict;
  /** Why the verdict is what it is, as a phrase. */
  reason: string;
}

/** Mean of the values; NaN for none. */
export function mean(values: readonly number[]): number {
  return values.length === 0 ? Number.NaN : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Mean accuracy over all blocks and noise levels; NaN without a probe. */
export function probeMean(evaluation: Evaluation): number {
  return mean(evaluation.probe.flatMap((probe) => probe.accuracy));
}

/** Accuracy at one block, counted from 1, averaged over the noise levels; NaN without a probe. */
export function probeOfBlock(evaluation: Evaluation, block: number): number {
  return mean(evaluation.probe.map((probe) => probe.accuracy[block - 1] ?? Number.NaN));
}

/** Accuracy of the best block, each block averaged over the noise levels first; NaN without a probe. */
export function probeBest(evaluation: Evaluation): number {
  const blocks = Math.min(...evaluation.probe.map((probe) => probe.accuracy.length));
  if (!Number.isFinite(blocks) || blocks === 0) return Number.NaN;
  const byBlock = Array.from({ length: blocks }, (_, b) => mean(evaluation.probe.map((p) => p.accuracy[b])));
  return Math.max(...byBlock);
}

/** The runs of one arm; none when the arm is absent. */
export function runsOf(results: Results, arm: ArmName): RunResult[] {
  return results.arms.find((entry) => entry.arm === arm)?.runs ?? [];
}

/** The evaluation of a run at a step. */
export function evaluationAt(run: RunResult, step: number): Evaluation | undefined {
  return run.evaluations.find((evaluation) => evaluation.step === step);
}

/** The last step that every run was evaluated at; undefined when there is none. */
export function finalStep(results: Results): number | undefined {
  const runs = results.arms.flatMap((arm) => arm.runs);
  const common = (runs[0]?.evaluations ?? [])
    .map((evaluation) => evaluation.step)
    .filter((step) => runs.every((run) => evaluationAt(run, step) !== undefined));
  return common.length === 0 ? undefined : Math.max(...common);
}

/** The four sample metrics and three summaries of probe accuracy. */
export function measuresOf(results: Results): Measure[] {
  const all = results.arms.flatMap((arm) => arm.runs.flatMap((run) => run.evaluations));
  const last = all.filter((evaluation) => evaluation.step === finalStep(results));
  const digits = (read: Measure["read"]) => Math.min(4, digitsFor(last.map(read)));
  const frechet = (e: Evaluation) => e.metrics.frechet;
  const score = (e: Evaluation) => e.metrics.inceptionScore;
  const plain = (count: number): NumberFormat => ({ unit: "plain", digits: count });
  const percent: NumberFormat = { unit: "percent", digits: 1 };
  return [
    {
      key: "frechet",
      label: "Frechet distance",
      phrase: "Frechet distance",
      lowerIsBetter: true,
      format: plain(digits(frechet)),
      read: frechet,
    },
    {
      key: "inceptionScore",
      label: "Inception Score",
      phrase: "Inception Score",
      lowerIsBetter: false,
      format: plain(digits(score)),
      read: score,
    },
    {
      key: "precision",
      label: "Precision",
      phrase: "precision",
      lowerIsBetter: false,
      format: plain(3),
      read: (e) => e.metrics.precision,
    },
    {
      key: "recall",
      label: "Recall",
      phrase: "recall",
      lowerIsBetter: false,
      format: plain(3),
      read: (e) => e.metrics.recall,
    },
    {
      key: "probeAligned",
      label: `Probe accuracy, aligned block ${results.align.studentBlock}`,
      phrase: `probe accuracy at the aligned block ${results.align.studentBlock}`,
      lowerIsBetter: false,
      format: percent,
      read: (e) => probeOfBlock(e, results.align.studentBlock),
    },
    {
      key: "probeMean",
      label: "Probe accuracy, mean of blocks",
      phrase: "mean probe accuracy",
      lowerIsBetter: false,
      format: percent,
      read: probeMean,
    },
    {
      key: "probeBest",
      label: "Probe accuracy, best block",
      phrase: "best-block probe accuracy",
      lowerIsBetter: false,
      format: percent,
      read: probeBest,
    },
  ];
}

/** The 95 % confidence interval of the mean of paired differences; NaN for fewer than two. */
export const confidenceInterval = (differences: readonly number[]): Interval =>
  differences.length < 2 ? [Number.NaN, Number.NaN] : meanInterval(differences);

function judge(
  measure: Measure,
  differences: number[],
  missing: number,
): Pick<Finding, "verdict" | "reason" | "interval"> {
  const interval = confidenceInterval(differences);
  const unresolved = (reason: string) => ({ verdict: "not resolved" as const, reason, interval });
  if (differences.length === 0) return unresolved("no seed has a value in both arms");
  if (missing > 0) return unresolved(`no value in both arms for ${plural(missing, "seed")}`);
  if (differences.length === 1) return unresolved("one seed shows no spread");
  const [low, high] = interval;
  // Written so that equal differences of zero are not resolved.
  if (!(low > 0 || high < 0)) return unresolved("the 95 % interval holds 0");
  const verdict = high < 0 === measure.lowerIsBetter ? "better" : "worse";
  return { verdict, reason: "the 95 % interval excludes 0", interval };
}

/**
 * Compares the arms by one measure at one step, paired by seed.
 *
 * A difference counts as resolved only if there are at least two seeds, none of them lacks a value, and the 95 %
 * confidence interval of the mean paired difference (Student's t) does not hold 0.
 */
export function compare(results: Results, measure: Measure, step: number | undefined): Finding {
  const valueAt = (arm: ArmName, seed: number): number => {
    const run = runsOf(results, arm).find((entry) => entry.seed === seed);
    const evaluation = run === undefined || step === undefined ? undefined : evaluationAt(run, step);
    return evaluation === undefined ? Number.NaN : measure.read(evaluation);
  };
  const pairs = results.seeds
    .map((seed) => ({ seed, baseline: valueAt("baseline", seed), sra: valueAt("sra", seed) }))
    .map((pair) => ({ ...pair, difference: pair.sra - pair.baseline }));
  const complete = pairs.filter((pair) => Number.isFinite(pair.difference));
  const missingSeeds = pairs.filter((pair) => !Number.isFinite(pair.difference)).map((pair) => pair.seed);
  const differences = complete.map((pair) => pair.difference);
  const min = differences.length === 0 ? Number.NaN : Math.min(...differences);
  const max = differences.length === 0 ? Number.NaN : Math.max(...differences);
  return {
    measure,
    pairs: complete,
    missingSeeds,
    meanBaseline: mean(complete.map((pair) => pair.baseline)),
    meanSra: mean(complete.map((pair) => pair.sra)),
    mean: mean(differences),
    min,
    max,
    spread: max - min,
    ...judge(measure, differences, missingSeeds.length),
  };
}

/** All measures compared at the last step that every run was evaluated at. */
export function findingsOf(results: Results): Finding[] {
  const step = finalStep(results);
  return measuresOf(results).map((measure) => compare(results, measure, step));
}

/** Whether the metrics use Inception's features, as the paper does. */
export function usesInception(results: Results): boolean {
  return /^inception/i.test(results.featureNetwork.name);
}

/** The whole comparison in one sentence. */
export function summarize(results: Results, findings: readonly Finding[]): string {
  const named = (verdict: Verdict, withMean: boolean) =>
    findings
      .filter((finding) => finding.verdict === verdict)
      .map(({ measure, mean: center }) =>
        withMean ? `${measure.phrase} (${formatDifference(center, measure.format)})` : measure.phrase,
      );
  const better = named("better", true);
  const worse = named("worse", true);
  const open = named("not resolved", false);
  const claims: string[] = [];
  if (better.length > 0) claims.push(`SRA was better than the baseline in ${joinList(better)}`);
  if (worse.length > 0) claims.push(`SRA was worse in ${joinList(worse)}`);
  if (open.length === findings.length) claims.push("no difference between SRA and the baseline was resolved");
  else if (open.length > 0) claims.push(`no difference was resolved in ${joinList(open)}`);
  const step = finalStep(results);
  const after = step === undefined ? "" : `, after ${formatCount(step)} training steps`;
  const features = `the features of ${results.featureNetwork.name}${usesInception(results) ? "" : ", not of Inception"}`;
  return (
    `On ${results.dataset} at the ${results.scale} scale${after} and over ${plural(results.seeds.length, "paired seed")}, ` +
    `${claims.join("; ")}; this is a small-scale result measured in ${features}, ` +
    "so its numbers are not comparable with the paper\u2019s."
  );
}
