/**
 * Training as a sequence of steps that owns its state: in memory, or in a run folder that can be stopped and resumed at
 * any moment. The same config gives the same weights, however often it was stopped.
 */
import { asTrainingData, type ImageSet, type TrainingData } from "../data/index.ts";
import type { Communicator } from "../distributed/communicator.ts";
import { reducer } from "../distributed/reduce.ts";
import { DeviceLostError } from "../jit/device-lost.ts";
import { finishing } from "../jit/jit.ts";
import type { Params } from "../tensor/params.ts";
import { type RandomGenerator, randomGenerator } from "../tensor/random.ts";
import { disposeTree } from "../tensor/tree.ts";
import { batchSource, neededArrays } from "./batches.ts";
import { beginTogether } from "./begin-together.ts";
import { newestCheckpoint } from "./checkpoint-files.ts";
import { checkTrainConfig, type TrainConfig } from "./config.ts";
import { cutBatch } from "./cut.ts";
import { currentConfig } from "./legacy.ts";
import { makeTask } from "./make-task.ts";
import { compiledStep, oneStep, type Run, type TrainingStep } from "./one-step.ts";
import { type Recorder, recordRun } from "./recorder.ts";
import { beginRun, type DataSource, freshState } from "./run-folder.ts";
import { checkGrids, type Decode } from "./sample-grids.ts";
import type { TrainState } from "./step.ts";
import { hasFrozenTeacher, NO_TEACHER, type Task } from "./task.ts";

export interface TrainingOptions {
  /** The run folder: `config.json`, `metrics.jsonl`, `monitor.jsonl`, TensorBoard events and `checkpoints/`. Default: nothing is written. */
  folder?: string;
  /** Go on from the newest checkpoint in the folder. Without it, a folder that holds one is an error. */
  resume?: boolean;
  /** How the images can be opened again, as plain values; kept in the run folder's `data.json`. */
  source?: DataSource;
  /** Makes images [count,C,H,W] of latents, for `sampleEvery`; pixels need none. */
  decode?: Decode;
  /** Methods of one's own beside those of the config, or a network that no config describes. Default: what the config says. */
  task?: Task;
  /**
   * Parameters of the network that a method's frozen teacher is (`readTeacher`, or the state of another training); copied.
   * A resumed run has them in its checkpoint, and does not look at these.
   */
  frozenTeacher?: Params;
  /**
   * The processes that make each step together, all with the same config and data: every one computes some parts of a batch,
   * and all come to the same state. The first writes the folder, which the others need not see.
   */
  ranks?: Communicator;
  onWarning?: (message: string) => void;
  /** Steps (counted from 1) after which `onEvaluate` is called. */
  evaluateAt?: readonly number[];
  /**
   * Called with the state after each of these steps, before the next one. A run that is resumed at one of them calls it
   * again, as nobody knows whether the first call came to its end.
   */
  onEvaluate?: (state: TrainState, step: number) => Promise<void> | void;
}

export interface Training extends AsyncIterable<TrainingStep> {
  readonly config: TrainConfig;
  readonly task: Task;
  /** Steps done, before a resumed run begins those of its newest checkpoint. */
  readonly step: number;
  /** Steps that are left: what a progress bar over the training counts to. */
  readonly length: number;
  /** As the last step left it. Throws of a run in a folder that has not begun: what it holds is read with the first step. */
  readonly state: TrainState;
  /** The newest checkpoint, of a run in a folder. */
  readonly checkpoint: string | undefined;
  /** Seconds of each step that this process made. */
  readonly seconds: readonly number[];
  /** Ends a loop under way after its step, on all ranks; a step that others have begun is still made. */
  stop(): void;
}

/** A training under way. */
interface OpenRun extends Run {
  readonly data: TrainingData;
  readonly options: TrainingOptions;
  /** Whether a loop is under way, and whether it is to end. */
  isBusy: boolean;
  isStopping: boolean;
  /** The step that was evaluated last. */
  evaluated?: number;
}

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
  checkTrainConfig(config, options.task);
  const data = asTrainingData(images);
  const { task = makeTask(config), folder } = options;
  checkData(data, task, config.classDropout);
  if (folder !== undefined) checkGrids(config, options.decode);
  checkTeacher(task, options);
  const step = folder !== undefined && options.resume ? (newestCheckpoint(folder)?.step ?? 0) : 0;
  const run: OpenRun = {
    ...{ config, task, data, options, seconds: [], step, isBusy: false, isStopping: false },
    ...(options.ranks && { reducer: reducer(options.ranks, options.onWarning) }),
  };
  return {
    config,
    task,
    seconds: run.seconds,
    get step() {
      return run.step;
    },
    get length() {
      return Math.max(0, config.steps - run.step);
    },
    get state() {
      if (folder === undefined) run.state ??= freshState(task, config, data, options.frozenTeacher);
      if (!run.state)
        throw new Error(`the training in ${folder} has not begun; its state is there with the first step`);
      return run.state;
    },
    get checkpoint() {
      return run.checkpoint;
    },
    stop() {
      run.isStopping = true;
      if (run.reducer) run.reducer.wantsToStop = true;
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

/** The steps that are left of a run. */
async function* stepsOf(run: OpenRun): AsyncGenerator<TrainingStep, void> {
  if (run.isBusy) throw new Error("this training is under way in another loop; leave that one first");
  run.isBusy = true;
  try {
    for (let lostAt = -1; ; lostAt = run.step) {
      const { recorder, generator01 } = await begin(run);
      try {
        yield* remaining(run, recorder, generator01);
        return;
      } catch (error) {
        // In memory there is nothing to go on from. Lost again before a step further, it is no accident.
        // Other ranks wait for this one's sums, and not for a checkpoint.
        const isOver = run.options.folder === undefined || run.options.ranks || run.step <= lostAt;
        if (!(error instanceof DeviceLostError) || isOver) throw error;
        const from = run.checkpoint === undefined ? "its start" : `the checkpoint ${run.checkpoint}`;
        run.options.onWarning?.(`${error.message}; the training goes on from ${from}`);
      }
    }
  } finally {
    run.isBusy = run.isStopping = false;
  }
}

async function* remaining(
  run: OpenRun,
  recorder: Recorder | undefined,
  generator01: RandomGenerator | undefined,
): AsyncGenerator<TrainingStep, void> {
  const { config, task, data, reducer } = run;
  const { ranks } = run.options;
  const cut = ranks && cutBatch(task, config, ranks);
  const compiled = compiledStep(task, config, cut && { cut, reduce: (sum) => reducer!.reduce(sum) });
  const nextBatch = batchSource(data, config, { task, generator01, share: cut });
  let thrown: unknown;
  try {
    while (true) {
      await evaluate(run);
      if (run.step >= config.steps) return;
      const progress = await oneStep(run, compiled, nextBatch);
      await recorder?.log(run.step, progress.metrics, run.seconds[run.seconds.length - 1], progress.state);
      await recorder?.draw(run.step, progress.state);
      if (run.step % config.checkpointEvery === 0 || run.step === config.steps) await save(run, recorder);
      yield progress;
      // The last one's evaluation is still to come.
      if ((reducer ? reducer.stops : run.isStopping) && run.step < config.steps) return;
    }
  } catch (error) {
    thrown = error;
    // With the device its state is gone.
    if (error instanceof DeviceLostError) run.failure = error;
    throw error;
  } finally {
    try {
      await keep(run, recorder, thrown);
    } finally {
      await recorder?.close();
      await nextBatch.dispose();
      await compiled.dispose();
    }
  }
}

/** Evaluates the state, where that is due. */
async function evaluate(run: OpenRun): Promise<void> {
  const { evaluateAt = [], onEvaluate } = run.options;
  if (run.evaluated === run.step || !evaluateAt.includes(run.step)) return;
  await onEvaluate?.(run.state!, run.step);
  run.evaluated = run.step;
}

async function save(run: OpenRun, recorder: Recorder | undefined): Promise<void> {
  await recorder?.save(run.step, run.state!);
  run.checkpoint = recorder?.checkpoint;
}

/** Saves what the last whole step left, whatever it was that ended the loop. */
async function keep(run: OpenRun, recorder: Recorder | undefined, thrown: unknown): Promise<void> {
  if (run.failure || run.step === 0) return;
  try {
    await save(run, recorder);
  } catch (error) {
    if (thrown === undefined) throw error;
    const [first, second] = [thrown, error].map((one) => (one instanceof Error ? one.message : String(one)));
    throw new Error(`${first}; and then the state after step ${run.step} could not be saved: ${second}`, {
      cause: thrown,
    });
  }
}

/** Begins a run, or goes on with it: in its folder from the newest checkpoint, in memory from where it was left. */
async function begin(run: OpenRun): Promise<{ recorder?: Recorder; generator01?: RandomGenerator }> {
  const { config, task, data, options } = run;
  const { folder, decode, onWarning } = options;
  if (folder === undefined) {
    if (run.failure)
      throw new Error(`this training has no state to go on from: ${run.failure.message}`, {
        cause: run.failure,
      });
    run.state ??= freshState(task, config, data, options.frozenTeacher);
    return {};
  }
  const resume = options.resume || run.checkpoint !== undefined;
  const begin = () => beginRun(task, config, data, { ...options, folder, resume });
  const begun = options.ranks ? await beginTogether(options.ranks, task, config, data, begin) : await begin();
  const { start, path } = begun;
  const generator01 = start.generator01 && randomGenerator(start.generator01);
  if (run.state) disposeTree(run.state);
  Object.assign(run, { step: start.step, state: start.state, checkpoint: path, failure: undefined });
  const { rank, size } = options.ranks ?? { rank: 0, size: 1 };
  if (rank > 0) return {};
  return {
    generator01,
    recorder: await recordRun(folder, task, config, begun, {
      data,
      generator01,
      decode,
      ranks: size,
      onWarning,
    }),
  };
}

/** A frozen teacher is given where a method has one, and only there. */
function checkTeacher(task: Task, { frozenTeacher, folder, resume }: TrainingOptions): void {
  const isKept = folder !== undefined && resume;
  if (!hasFrozenTeacher(task) && frozenTeacher)
    throw new Error("a frozen teacher was given, but no method of the config has one; expected none");
  if (hasFrozenTeacher(task) && !frozenTeacher && !isKept) throw new Error(NO_TEACHER);
}

function checkData(
  { name, shape, classes, arrays = {}, nothing = {} }: TrainingData,
  task: Task,
  dropout: number,
): void {
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
  for (const array of Object.keys(task.network.nothing ?? {}))
    if (dropout > 0 && !nothing[array])
      throw new Error(
        `${name} do not say what the array '${array}' is where nothing is said of an image, as of the empty caption; expected it, or classDropout 0`,
      );
}
