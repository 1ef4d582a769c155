/** The training loop: a run folder with config, metrics and checkpoints that can be stopped and resumed at any moment. */
import { join } from "node:path";
import { asTrainingData, type ImageSet, type TrainingData } from "../data/index.ts";
import { appendJsonLine, type NdArray, truncateJsonLines } from "../io/index.ts";
import { scheduleAt } from "../optim/schedules.ts";
import { randomGenerator } from "../tensor/random.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { batchSource } from "./batches.ts";
import { writeCheckpoint } from "./checkpoint.ts";
import { compileRuns, compileStep } from "./compile.ts";
import { checkTrainConfig, type TrainConfig } from "./config.ts";
import { beginRun, type DataSource } from "./run-folder.ts";
import { sampleGrids, samplesPath } from "./sample-grids.ts";
import type { StepMetrics, TrainState } from "./step.ts";
import { openEventFile } from "./tensorboard.ts";

/** One line of metrics.jsonl: means over the steps since the line before. */
export interface LogEntry {
  /** Steps done. */
  step: number;
  generative: number;
  /** Absent without SRA. */
  align?: number;
  gradientNorm: number;
  /** Median seconds of a step. */
  stepSeconds: number;
}

export interface TrainProgress {
  step: number;
  steps: number;
  /** Metrics of this step. */
  metrics: { generative: number; align?: number; gradientNorm: number };
  stepsPerSecond: number;
  secondsLeft: number;
}

export interface TrainOptions {
  /** The run folder: `config.json`, `metrics.jsonl`, TensorBoard events and `checkpoints/`. */
  folder: string;
  /** Images in memory, or what `openTrainingData` opened, which stays open. */
  images: ImageSet | TrainingData;
  /** Go on from the newest checkpoint in the folder. Without it, a folder that holds one is an error. */
  resume?: boolean;
  /** How the images can be opened again, as plain values; kept in the run folder's `data.json`. */
  source?: DataSource;
  /** Makes images [count,C,H,W] of latents, for `sampleEvery`; pixels need none. */
  decode?: (latents: NdArray<"float32">) => Promise<NdArray<"float32">>;
  /** Stops after the current step, with a checkpoint. */
  signal?: AbortSignal;
  onProgress?: (progress: TrainProgress) => void;
  /** Called with the state after each of these steps, before their checkpoint and the next step. */
  evaluateAt?: readonly number[];
  onEvaluate?: (state: TrainState, step: number) => Promise<void>;
  onWarning?: (message: string) => void;
}

export interface TrainResult {
  state: TrainState;
  /** Steps done: all of them, or fewer when the signal stopped the run. */
  step: number;
  /** The checkpoint of that step. */
  checkpoint: string;
  /** Wall-clock seconds in training steps, in this process. */
  trainSeconds: number;
  /** Median seconds of a step, in this process; NaN when it made none. */
  stepSeconds: number;
}

const median = (values: number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Reads a step's metrics; throws when one is not finite. */
function readMetrics(
  metrics: StepMetrics,
  step: number,
  lastGood: string | undefined,
): TrainProgress["metrics"] {
  const values = Object.entries(metrics).filter((entry): entry is [string, Tensor] => entry[1] !== undefined);
  const numbers = Object.fromEntries(values.map(([name, tensor]) => [name, tensor.dataSync()[0]]));
  const bad = Object.entries(numbers).find(([, value]) => !Number.isFinite(value));
  if (bad) {
    throw new Error(
      `training diverged at step ${step}: ${bad[0]} is ${bad[1]}; last good checkpoint: ${lastGood ?? "none yet"}`,
    );
  }
  return numbers as unknown as TrainProgress["metrics"];
}

/**
 * Trains a SiT or DiT, with or without SRA. The same config gives the same weights, also when the run is stopped, or killed,
 * and resumed any number of times.
 * Throws when the config or folder is unfit, and when a loss or the gradient norm stops being finite.
 */
export async function train(config: TrainConfig, options: TrainOptions): Promise<TrainResult> {
  checkTrainConfig(config);
  const { folder, images, onProgress, signal, evaluateAt = [] } = options;
  const data = asTrainingData(images);
  checkData(data, config);
  const grids = sampleGrids(config, options.decode);
  const { start, path } = await beginRun(config, data, options);
  const generator01 = start.generator01 && randomGenerator(start.generator01);
  const metricsPath = join(folder, "metrics.jsonl");
  await truncateJsonLines<LogEntry>(metricsPath, (entry) => entry.step <= start.step);

  const events = await openEventFile(folder);
  const compiled = (config.accumulate ?? 1) > 1 ? compileRuns(config) : compileStep(config);
  const nextBatch = batchSource(data, config, generator01);
  let { step, state } = start;
  let checkpoint = path;
  const save = async (): Promise<string> =>
    writeCheckpoint(join(folder, "checkpoints"), {
      step,
      state,
      generator01: generator01?.state(),
      config,
      data: start.data,
    });
  const seconds: number[] = [];
  let pending: { metrics: TrainProgress["metrics"]; seconds: number }[] = [];
  try {
    while (step < config.steps && !signal?.aborted) {
      const began = performance.now();
      const inputs = await drawStep(config, step, nextBatch);
      const result = await compiled(state, inputs.batch, inputs.scalars);
      const metrics = readMetrics(result.metrics, step + 1, checkpoint);
      state = result.state;
      step++;
      seconds.push((performance.now() - began) / 1000);
      pending.push({ metrics, seconds: seconds[seconds.length - 1] });
      onProgress?.(progress(step, config.steps, metrics, seconds));
      const last = step === config.steps;
      if (step % config.logEvery === 0 || last) {
        const entry = summarize(step, pending);
        pending = [];
        await appendJsonLine(metricsPath, entry);
        const { step: at, ...curves } = entry;
        for (const [name, value] of Object.entries(curves)) events.scalar(`train/${name}`, value, at);
        await events.flush();
      }
      // Before the checkpoint: a run killed while it is evaluated comes back to this step, and evaluates it again.
      if (evaluateAt.includes(step)) await options.onEvaluate?.(state, step);
      if (grids && step % config.sampleEvery! === 0) await grids.write(state.ema, samplesPath(folder, step));
      if (step % config.checkpointEvery === 0 || last) checkpoint = await save();
    }
    if (signal?.aborted && step < config.steps) checkpoint = await save();
  } finally {
    await events.close();
    await compiled.dispose();
    await grids?.dispose();
  }
  const trainSeconds = seconds.reduce((sum, s) => sum + s, 0);
  return { state, step, checkpoint: checkpoint!, trainSeconds, stepSeconds: median(seconds) };
}

/** What one step takes: its batch and its scheduled numbers. */
async function drawStep(config: TrainConfig, step: number, nextBatch: ReturnType<typeof batchSource>) {
  const scalar = (schedule: TrainConfig["learningRate"]): Tensor => tf.scalar(scheduleAt(schedule, step));
  return {
    batch: await nextBatch(step),
    scalars: {
      learningRate: scalar(config.learningRate),
      alignWeight: scalar(config.alignWeight),
      emaDecay: scalar(config.emaDecay),
    },
  };
}

/** Steps whose pace the estimate of the time left follows. */
const RECENT = 20;

function progress(
  step: number,
  steps: number,
  metrics: TrainProgress["metrics"],
  seconds: number[],
): TrainProgress {
  const pace = median(seconds.slice(-RECENT));
  return { step, steps, metrics, stepsPerSecond: 1 / pace, secondsLeft: (steps - step) * pace };
}

function summarize(
  step: number,
  entries: { metrics: TrainProgress["metrics"]; seconds: number }[],
): LogEntry {
  const over = (pick: (metrics: TrainProgress["metrics"]) => number): number =>
    mean(entries.map((e) => pick(e.metrics)));
  return {
    step,
    generative: over((m) => m.generative),
    ...(entries[0].metrics.align !== undefined && { align: over((m) => m.align!) }),
    gradientNorm: over((m) => m.gradientNorm),
    stepSeconds: median(entries.map((e) => e.seconds)),
  };
}

function checkData({ name, shape, classes }: TrainingData, { model }: TrainConfig): void {
  const expected = [model.inChannels, model.inputSize, model.inputSize];
  if (shape.join() !== expected.join())
    throw new Error(`${name} are ${shape.join("x")}, but the model expects ${expected.join("x")}`);
  if (classes > model.numClasses)
    throw new Error(
      `labels of ${name} go up to ${classes - 1}, but the model has ${model.numClasses} classes`,
    );
  if (classes === 0 && model.numClasses > 1)
    throw new Error(`${name} have no labels, but the model has ${model.numClasses} classes, expected 1`);
}
