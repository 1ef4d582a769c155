/** The figures of the report, from the results. */

import type { Evaluation, Results, RunResult } from "../results.ts";
import { evaluationAt, finalStep, measuresOf, probeBest, probeMean } from "./measures.ts";
import { type ArmSeries, type Figure, type FigureInput, lineFigure } from "./plots.ts";
import { binned, binSize } from "./series.ts";
import { digitsFor, formatCount, formatFixed, type NumberFormat } from "./text.ts";

/** The report's figures by section. */
export interface Figures {
  losses: Figure[];
  metrics: Figure[];
  probeByBlock: Figure[];
  probeByStep: Figure[];
}

const PERCENT: NumberFormat = { unit: "percent", digits: 1 };
const byStep = { xTitle: "training step", xName: "step" };

const lossOf = (run: RunResult, name: string): number[] => run.curve.losses[name] ?? [];

/** Every loss that some run has, the generative one first. */
const lossNames = ({ arms }: Results): string[] => [
  ...new Set([
    "generative",
    ...arms.flatMap(({ runs }) => runs.flatMap(({ curve }) => Object.keys(curve.losses))),
  ]),
];

function loss(results: Results, name: string): Figure | undefined {
  const withLoss = results.arms
    .map((arm, place) => ({ ...arm, place, runs: arm.runs.filter((run) => lossOf(run, name).length > 0) }))
    .filter((arm) => arm.runs.length > 0);
  if (withLoss.length === 0) return undefined;
  const size = binSize(
    Math.max(...withLoss.flatMap((arm) => arm.runs.map((run) => lossOf(run, name).length))),
  );
  const arms: ArmSeries[] = withLoss.map(({ place, label, runs }) => ({
    place,
    label,
    series: runs.map((run) => binned(run.seed, run.curve.step, lossOf(run, name), size)),
  }));
  const ends = arms.flatMap((arm) => arm.series.map((series) => series.y.at(-1) ?? Number.NaN));
  return lineFigure({
    id: `loss-${name}`,
    title: name === "generative" ? "Generative loss" : `Loss of ${name}`,
    note:
      size === 1
        ? "Every logged step, not smoothed"
        : `Each point is the mean of ${size} consecutive logged steps`,
    ...byStep,
    format: { unit: "plain", digits: Math.min(5, digitsFor(ends)) },
    arms,
    seedLines: true,
  });
}

function evaluated(results: Results, read: (evaluation: Evaluation) => number): ArmSeries[] {
  return results.arms.map(({ label, runs }, place) => ({
    place,
    label,
    series: runs.map((run) => ({
      seed: run.seed,
      x: run.evaluations.map((e) => e.step),
      y: run.evaluations.map(read),
    })),
  }));
}

function metricFigures(results: Results): Figure[] {
  return measuresOf(results)
    .filter((measure) => measure.key in results.realImages)
    .map((measure) =>
      lineFigure({
        id: `metric-${measure.key}`,
        title: measure.label,
        note: measure.lowerIsBetter ? "Lower is better" : "Higher is better",
        ...byStep,
        format: measure.format,
        arms: evaluated(results, measure.read),
        reference: measure.read({ step: 0, metrics: results.realImages, probe: [] }),
        seedLines: false,
      }),
    );
}

/** A range that holds all values, with a little air, never beyond 0 to 1. */
function shareRange(values: readonly number[]): [number, number] | undefined {
  const finite = values.filter(Number.isFinite);
  if (finite.length === 0) return undefined;
  const low = Math.min(...finite);
  const high = Math.max(...finite);
  const air = Math.max(0.01, (high - low) * 0.08);
  return [Math.max(0, low - air), Math.min(1.005, high + air)];
}

const lastEvaluation = (results: Results, run: RunResult): Evaluation | undefined =>
  evaluationAt(run, finalStep(results) ?? Number.NaN);

/** Every noise level that the last evaluations probed, in rising order. */
export function noiseLevels(results: Results): number[] {
  const last = results.arms.flatMap((arm) => arm.runs.map((run) => lastEvaluation(results, run)));
  return [...new Set(last.flatMap((e) => e?.probe.map((probe) => probe.timestep) ?? []))].sort(
    (a, b) => a - b,
  );
}

function probeByBlock(results: Results): Figure[] {
  const levels = noiseLevels(results);
  const inputs = levels.map((timestep): FigureInput => {
    const arms = results.arms.map(({ label, runs }, place): ArmSeries => {
      const series = runs.map((run) => {
        const probe = lastEvaluation(results, run)?.probe.find((entry) => entry.timestep === timestep);
        const accuracy = probe?.accuracy ?? [];
        return { seed: run.seed, x: accuracy.map((_, i) => i + 1), y: accuracy };
      });
      return { place, label, series };
    });
    return {
      id: `probe-block-${levels.indexOf(timestep) + 1}`,
      title: `Probe at noise level t = ${formatFixed(timestep, Number.isInteger(timestep * 10) ? 1 : 2)}`,
      note: `Test accuracy after ${formatCount(finalStep(results) ?? Number.NaN)} steps; higher is better`,
      xTitle: "block",
      xName: "block",
      format: PERCENT,
      arms,
      seedLines: false,
    };
  });
  const yRange = shareRange(inputs.flatMap((i) => i.arms.flatMap((a) => a.series.flatMap((s) => s.y))));
  return inputs.map((input) => lineFigure({ ...input, yRange }));
}

function probeByStep(results: Results): Figure[] {
  if (noiseLevels(results).length === 0) return [];
  const kinds = [
    { id: "probe-step-mean", title: "Probe accuracy, mean of blocks", read: probeMean },
    { id: "probe-step-best", title: "Probe accuracy, best block", read: probeBest },
  ].map((kind) => ({ ...kind, arms: evaluated(results, kind.read) }));
  return kinds.map((kind) => {
    const yRange = shareRange(kind.arms.flatMap((arm) => arm.series.flatMap((series) => series.y)));
    const note = "Averaged over the noise levels; higher is better";
    return lineFigure({ ...kind, note, ...byStep, format: PERCENT, seedLines: false, yRange });
  });
}

/** Whether a run was measured on the way: of its end alone the tables tell, as a curve of one point would not. */
const isFollowed = ({ arms }: Results): boolean =>
  arms.some(({ runs }) => runs.some(({ evaluations }) => evaluations.length > 1));

/** All figures; a section without data is an empty list. */
export function figuresOf(results: Results): Figures {
  const losses = lossNames(results)
    .map((name) => loss(results, name))
    .filter((figure) => figure !== undefined);
  return {
    losses,
    metrics: isFollowed(results) ? metricFigures(results) : [],
    probeByBlock: probeByBlock(results),
    probeByStep: isFollowed(results) ? probeByStep(results) : [],
  };
}
