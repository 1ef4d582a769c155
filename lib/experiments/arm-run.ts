/** One run of a comparison: one arm trained with one seed, and evaluated on the way. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ImageSet, TrainingData } from "../data/index.ts";
import { exists } from "../io/files.ts";
import { appendJsonLine, readJsonLines, truncateJsonLines, writeAtomic } from "../io/index.ts";
import { disposeTree } from "../tensor/tree.ts";
import { type LogEntry, listCheckpoints, type TrainConfig, train } from "../train/index.ts";
import { RUN_FILES } from "../train/run-folder.ts";
import { isLoss } from "../train/step.ts";
import { factsOf, type ModelEvaluator, metricsOf, probeOf, samplesOf, writeGrid } from "./evaluator.ts";
import type { Reporter } from "./reporter.ts";
import type { Evaluation, RunResult } from "./results.ts";

/** Of a run's folder: what training writes there, and what is measured. */
export const ARM_FILES = [...RUN_FILES, "evaluations.jsonl", "result.json", "samples.png"];

export interface ArmRunOptions {
  /** Of the comparison; the run has one of its own in it. */
  folder: string;
  /** Of the run's folder. */
  name: string;
  config: TrainConfig;
  images: ImageSet | TrainingData;
  /** Steps after which the run is evaluated, the last of them its end. */
  evaluateAt: readonly number[];
  resume?: boolean;
  signal?: AbortSignal;
  /** Asked before what others might write too is written: whether the run is still this process's. Default: it is. */
  isOurs?: () => Promise<boolean>;
  reporter: Reporter;
}

/**
 * Trains and evaluates one run, and adds its time to that of the phases. Returns undefined when the signal stopped it, or
 * the run is no longer ours.
 */
export async function runArm(
  options: ArmRunOptions,
  evaluator: ModelEvaluator,
  seconds: Record<string, number>,
): Promise<RunResult | undefined> {
  const { folder, name, config, evaluateAt, signal, reporter, isOurs = async () => true } = options;
  const runFolder = join(folder, name);
  const evaluationsPath = join(runFolder, "evaluations.jsonl");
  const donePath = join(runFolder, "result.json");
  if (options.resume && (await exists(donePath))) return readJson<RunResult | undefined>(donePath, undefined);
  const resume = options.resume && (await listCheckpoints(join(runFolder, "checkpoints"))).length > 0;
  const samples = join(name, "samples.png");
  let begun = false;
  const result = await train(config, {
    folder: runFolder,
    images: options.images,
    resume,
    signal,
    onWarning: reporter.note,
    evaluateAt,
    onProgress: async ({ step, steps, metrics, stepsPerSecond, secondsLeft }) => {
      if (!begun) reporter.begin(`${name}: training`, steps);
      begun = true;
      const losses = Object.entries(metrics).filter(([name]) => isLoss(name));
      const shown = losses.map(([loss, value]) => `${loss} ${value.toFixed(4)}`);
      reporter.update(
        step,
        `${shown.join("  ")}  ${stepsPerSecond.toFixed(1)} steps/s  ${Math.round(secondsLeft)} s left`,
      );
      // Where it is not, the signal stops it.
      await isOurs();
    },
    onEvaluate: async ({ ema }, step) => {
      if (begun) reporter.end();
      begun = false;
      const start = performance.now();
      const images = await samplesOf(evaluator, ema, `${name}: samples at step ${step}`);
      const metrics = await metricsOf(evaluator, images);
      const facts = factsOf(evaluator, images);
      await writeGrid(evaluator, ema, join(folder, samples));
      const sampled = performance.now();
      const probe = await probeOf(evaluator, ema, `${name}: probe at step ${step}`);
      if (!(await isOurs())) return;
      // A run killed between an evaluation and its next checkpoint makes it again: the later line counts.
      await truncateJsonLines<Evaluation>(evaluationsPath, (entry) => entry.step < step);
      await appendJsonLine(evaluationsPath, { step, metrics, probe, ...(facts && { facts }) });
      add(seconds, "sampling and metrics", sampled - start);
      add(seconds, "linear probes", performance.now() - sampled);
    },
  });
  if (begun) reporter.end();
  // The checkpoint has it.
  disposeTree(result.state);
  add(seconds, "training", result.trainSeconds * 1000);
  if (result.step < config.steps || !(await isOurs())) return undefined;
  const log = byStep(await readJsonLines<LogEntry>(join(runFolder, "metrics.jsonl")));
  const run: RunResult = {
    seed: config.seed,
    curve: {
      step: log.map((entry) => entry.step),
      losses: curvesOf(log),
    },
    evaluations: await readJsonLines<Evaluation>(evaluationsPath),
    samples,
    trainSeconds: result.trainSeconds,
    stepSeconds: result.stepSeconds,
  };
  await writeAtomic(donePath, `${JSON.stringify(run)}\n`);
  return run;
}

/** One entry a step, in their order: a process that did not know yet that the run is another's may have added one of its own. */
const byStep = <T extends { step: number }>(entries: readonly T[]): T[] =>
  [...new Map(entries.map((entry) => [entry.step, entry])).values()].sort((a, b) => a.step - b.step);

/** The losses of a log by name: the generative one, and each method's. */
function curvesOf(log: readonly LogEntry[]): Record<string, number[]> {
  const names = Object.keys(log[0]).filter(isLoss);
  return Object.fromEntries(names.map((name) => [name, log.map((entry) => entry[name])]));
}

/** Adds milliseconds to a phase. */
export const add = (seconds: Record<string, number>, phase: string, milliseconds: number): void => {
  seconds[phase] = (seconds[phase] ?? 0) + milliseconds / 1000;
};

/** What a JSON file holds, or something else where there is none. */
export const readJson = async <T>(path: string, otherwise: T): Promise<T> =>
  (await exists(path)) ? JSON.parse(await readFile(path, "utf8")) : otherwise;
