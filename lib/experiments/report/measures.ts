/** The quantities that arms are compared by, and the step at which. */

import type { Evaluation, ProbeBlock, Results, RunResult } from "../results.ts";
import { digitsFor, type NumberFormat } from "./text.ts";

/** One quantity that arms are compared by. */
export interface Measure {
  key: string;
  /** Heading, for example `Frechet distance`. */
  label: string;
  /** Name inside a sentence, for example `precision`. */
  phrase: string;
  lowerIsBetter: boolean;
  format: NumberFormat;
  /** Chosen before the seeds were run. */
  planned?: boolean;
  read: (evaluation: Evaluation) => number;
}

const PERCENT: NumberFormat = { unit: "percent", digits: 1 };

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

/** Probe accuracy at one block. */
const blockMeasure = ({ block, label, planned }: ProbeBlock): Measure => ({
  key: `probeBlock${block}`,
  label: `Probe accuracy, ${label}`,
  phrase: `probe accuracy at the ${label}`,
  lowerIsBetter: false,
  format: PERCENT,
  planned,
  read: (evaluation) => probeOfBlock(evaluation, block),
});

/**
 * The four sample metrics, probe accuracy at the blocks that the results name, and two summaries over all blocks; first of
 * all what was chosen beforehand.
 */
export function measuresOf(results: Results): Measure[] {
  const all = results.arms.flatMap((arm) => arm.runs.flatMap((run) => run.evaluations));
  const last = all.filter((evaluation) => evaluation.step === finalStep(results));
  const digits = (read: Measure["read"]) => Math.min(4, digitsFor(last.map(read)));
  const frechet = (e: Evaluation) => e.metrics.frechet;
  const score = (e: Evaluation) => e.metrics.inceptionScore;
  const plain = (count: number): NumberFormat => ({ unit: "plain", digits: count });
  const blocks = (results.probeBlocks ?? []).map(blockMeasure);
  return [
    ...blocks.filter(({ planned }) => planned),
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
    ...blocks.filter(({ planned }) => !planned),
    {
      key: "probeMean",
      label: "Probe accuracy, mean of blocks",
      phrase: "mean probe accuracy",
      lowerIsBetter: false,
      format: PERCENT,
      read: probeMean,
    },
    {
      key: "probeBest",
      label: "Probe accuracy, best block",
      phrase: "best-block probe accuracy",
      lowerIsBetter: false,
      format: PERCENT,
      read: probeBest,
    },
  ];
}

/** A run's value at a step; NaN where it was not evaluated there. */
export function valueAt(run: RunResult | undefined, measure: Measure, step: number | undefined): number {
  const evaluation = run === undefined || step === undefined ? undefined : evaluationAt(run, step);
  return evaluation === undefined ? Number.NaN : measure.read(evaluation);
}
