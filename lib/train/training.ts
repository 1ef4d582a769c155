/**
 * Training as a sequence of steps that owns its state: in memory, or in a run folder that can be stopped and resumed at
 * any moment. The same config gives the same weights, however often it was stopped.
 */
import { asTrainingData, type ImageSet, type TrainingData } from "../data/index.ts";
import { finishing } from "../jit/jit.ts";
import { type Schedule, scheduleAt } from "../optim/schedules.ts";
import { type RandomGenerator, randomGenerator } from "../tensor/random.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { disposeTree } from "../tensor/tree.ts";
import { batchSource, neededArrays } from "./batches.ts";
import { compileRuns, compileStep } from "./compile.ts";
import { checkTrainConfig, type TrainConfig } from "./config.ts";
import { currentConfig } from "./legacy.ts";
import { makeTask } from "./make-task.ts";
import { type Metrics, median, type Recorder, recordRun } from "./recorder.ts";
import { beginRun, type DataSource, freshState } from "./run-folder.ts";
import { checkGrids, type Decode } from "./sample-grids.ts";
import type { StepMetrics, StepResult, StepScalars, TrainState } from "./step.ts";
import type { Task } from "./task.ts";

export interface TrainingOptions {
  /** The run folder: `config.json`, `metrics.jsonl`, TensorBoard events and `checkpoints/`. Default: nothing is written. */
  folder?: string;
  /** Go on from the newest checkpoint in the folder. Without it, a folder that holds one is an error. */
  resume?: boolean;
  /** How the images can be opened again, as plain values; kept in the run folder's `data.json`. */
  source?: DataSource;
  /** Makes images [count,C,H,W] of latents, for `sampleEvery`; pixels need none. */
  decode?: Decode;
  /** Methods of one's own beside those of the config, or a network that no config describes. Default: what the config says. */
  task?: Task;
  onWarning?: (message: string) => void;
  /** Called after each step, before its checkpoint. A run that is killed while it runs comes back to this step. */
  afterStep?: (progress: TrainingStep) => Promise<void> | void;
}

/** What a step came to. */
export interface TrainingStep {
  /** Steps done, and all of them. */
  step: number;
  steps: number;
  /** Numbers of this step: `generative`, the loss of each method by its name, and `gradientNorm`. */
  metrics: Metrics;
  /** The state after it, which the next step takes over. */
  state: TrainState;
  stepsPerSecond: number;
  secondsLeft: number;
}

export interface Training extends AsyncIterable<TrainingStep> {
  readonly config: TrainConfig;
  readonly task: Task;
  /** Steps done. */
  readonly step: number;
  /** Steps that are left: what a progress bar over the training counts to. */
  readonly length: number;
  /** As the last step left it. Throws of a run in a folder that has not begun: what it holds is read with the first step. */
  readonly state: TrainState;
  /** The newest checkpoint, of a run in a folder. */
  readonly checkpoint: string | undefined;
  /** Seconds of each step that this process made. */
  readonly seconds: readonly number[];
}

/** Steps whose pace the estimate of the time left follows. */
const RECENT = 20;

/**
 * The steps of a run, made as they are asked for: `for await (const { step, metrics } of training(config, images))`.
 * Leaving the loop at any point, also by a notebook's stop button, ends with the last finished step, which in a run folder
 * is then saved; looping again over the same training goes on from there.
 * @throws when the config, the data or the folder is unfit, and when a loss or the gradient norm stops being finite
 */
export function training(
  given: TrainConfig,
  images: ImageSet | TrainingData,
  options: TrainingOptions = {},
): Training {
  // From a file of an earlier version it may come as it was.
  const config = currentConfig(given) as TrainConfig;
  checkTrainConfig(config);
  const data = asTrainingData(images);
  const { task = makeTask(config), folder } = options;
  checkData(data, task);
  if (folder !== undefined) checkGrids(config, options.decode);
  const run: Run = { config, task, data, options, seconds: [], step: 0, isBusy: false };
  return {
    config,
    task,
    seconds: run.seconds,
    get step() {
      return run.step;
    },
    get length() {
      return config.steps - run.step;
    },
    get state() {
      if (folder === undefined) run.state ??= freshState(task, config);
      if (!run.state)
        throw new Error(`the training in ${folder} has not begun; its state is there with the first step`);
      return run.state;
    },
    get checkpoint() {
      return run.checkpoint;
    },
    [Symbol.asyncIterator]() {
      const generator = stepsOf(run);
      // A stopped cell lets these finish: they hold the only state there is.
      return {
        next: () => finishing(generator.next()),
        return: () => finishing(generator.return()),
        throw: (error) => finishing(generator.throw(error)),
      };
    },
  };
}

/** A training, and how far it is. */
interface Run {
  readonly config: TrainConfig;
  readonly task: Task;
  readonly data: TrainingData;
  readonly options: TrainingOptions;
  readonly seconds: number[];
  step: number;
  state?: TrainState;
  checkpoint?: string;
  /** Whether a loop is under way. */
  isBusy: boolean;
}

/** The steps that are left of a run. */
async function* stepsOf(run: Run): AsyncGenerator<TrainingStep, void> {
  if (run.isBusy) throw new Error("this training is under way in another loop; leave that one first");
  run.isBusy = true;
  try {
    const { recorder, generator01 } = await begin(run);
    yield* remaining(run, recorder, generator01);
  } finally {
    run.isBusy = false;
  }
}

async function* remaining(
  run: Run,
  recorder: Recorder | undefined,
  generator01: RandomGenerator | undefined,
): AsyncGenerator<TrainingStep, void> {
  const { config, task, data } = run;
  const compiled = compiledStep(task, config);
  const nextBatch = batchSource(data, config, { task, generator01 });
  const save = async (): Promise<void> => {
    await recorder?.save(run.step, run.state!);
    run.checkpoint = recorder?.checkpoint;
  };
  let isBetween = true;
  try {
    while (run.step < config.steps) {
      isBetween = false;
      const progress = await oneStep(run, compiled, nextBatch);
      await recorder?.log(run.step, progress.metrics, run.seconds[run.seconds.length - 1]);
      await run.options.afterStep?.(progress);
      await recorder?.draw(run.step, progress.state);
      isBetween = true;
      if (run.step % config.checkpointEvery === 0 || run.step === config.steps) await save();
      yield progress;
    }
  } finally {
    // What broke off within a step has no state to keep; what was left between two is saved.
    if (isBetween) await save();
    await recorder?.close();
    await compiled.dispose();
  }
}

/** Makes a step: afterwards the run has the state that came of it. */
async function oneStep(
  run: Run,
  compiled: ReturnType<typeof compiledStep>,
  nextBatch: ReturnType<typeof batchSource>,
): Promise<TrainingStep> {
  const { config, task, seconds } = run;
  const started = performance.now();
  const [batch, scalars] = [await nextBatch(run.step), scalarsAt(config, run.step, task.methods)];
  const { state, metrics }: StepResult = await compiled(run.state!, batch, scalars);
  disposeTree([batch, scalars]);
  run.state = state;
  run.step++;
  const numbers = readMetrics(metrics, run.step, run.checkpoint);
  disposeTree(metrics);
  seconds.push((performance.now() - started) / 1000);
  return progressOf(run.step, config.steps, numbers, state, seconds);
}

/** Begins a run, or goes on with it: in its folder from the newest checkpoint, in memory from where it was left. */
async function begin(run: Run): Promise<{ recorder?: Recorder; generator01?: RandomGenerator }> {
  const { config, task, data, options } = run;
  const { folder, decode } = options;
  if (folder === undefined) {
    run.state ??= freshState(task, config);
    return {};
  }
  const resume = options.resume || run.checkpoint !== undefined;
  const begun = await beginRun(task, config, data, { ...options, folder, resume });
  const { start, path } = begun;
  const generator01 = start.generator01 && randomGenerator(start.generator01);
  Object.assign(run, { step: start.step, state: start.state, checkpoint: path });
  return { generator01, recorder: await recordRun(folder, task, config, begun, { generator01, decode }) };
}

const compiledStep = (task: Task, config: TrainConfig) =>
  (config.accumulate ?? 1) > 1
    ? compileRuns(task, { ...config, accumulate: config.accumulate! })
    : compileStep(task, config);

/** The scheduled numbers of a step (from 0), the weights of methods among them. */
export function scalarsAt(
  { learningRate, emaDecay }: Pick<TrainConfig, "learningRate" | "emaDecay">,
  step: number,
  methods: readonly { weight: Schedule }[],
): StepScalars {
  const scalar = (schedule: Schedule): Tensor => tf.scalar(scheduleAt(schedule, step));
  return {
    learningRate: scalar(learningRate),
    weights: methods.map(({ weight }) => scalar(weight)),
    emaDecay: scalar(emaDecay),
  };
}

/** Reads a step's metrics; throws when one is not finite. */
function readMetrics(metrics: StepMetrics, step: number, lastGood: string | undefined): Metrics {
  const numbers = Object.fromEntries(
    Object.entries(metrics).map(([name, tensor]) => [name, tensor.dataSync()[0]]),
  );
  const bad = Object.entries(numbers).find(([, value]) => !Number.isFinite(value));
  if (bad)
    throw new Error(
      `training diverged at step ${step}: ${bad[0]} is ${bad[1]}; last good checkpoint: ${lastGood ?? "none yet"}`,
    );
  return numbers;
}

function progressOf(
  step: number,
  steps: number,
  metrics: Metrics,
  state: TrainState,
  seconds: readonly number[],
): TrainingStep {
  const pace = median(seconds.slice(-RECENT));
  return { step, steps, metrics, state, stepsPerSecond: 1 / pace, secondsLeft: (steps - step) * pace };
}

function checkData({ name, shape, classes, arrays = {} }: TrainingData, task: Task): void {
  const { input, classes: known } = task.network;
  if (shape.join() !== input.join())
    throw new Error(`${name} are ${shape.join("x")}, but the model expects ${input.join("x")}`);
  if (known > 0 && classes > known)
    throw new Error(`labels of ${name} go up to ${classes - 1}, but the model has ${known} classes`);
  if (classes === 0 && known > 1)
    throw new Error(`${name} have no labels, but the model has ${known} classes, expected 1 or none`);
  for (const [array, expected] of Object.entries(neededArrays(task))) {
    const got = arrays[array];
    if (got?.join() !== expected.join())
      throw new Error(
        `${name} need the array '${array}' with [${expected}] numbers for each image, got ${got ? `[${got}]` : "none"}`,
      );
  }
}
