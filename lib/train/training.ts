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
import { batchSource } from "./batches.ts";
import { beginTogether } from "./begin-together.ts";
import { checkData, checkTeacher } from "./check-data.ts";
import { newestCheckpoint } from "./checkpoint-files.ts";
import { checkTrainConfig, type TrainConfig } from "./config.ts";
import { cutBatch } from "./cut.ts";
import { currentConfig } from "./legacy.ts";
import type { Gradients } from "./losses.ts";
import { makeTask } from "./make-task.ts";
import { compiledStep, oneStep, type TrainingStep } from "./one-step.ts";
import { evaluate, keep, type OpenRun, record, save } from "./open-run.ts";
import { type Recorder, recordRun } from "./recorder.ts";
import { beginRun, type DataSource, freshState } from "./run-folder.ts";
import { checkGrids, type Decode } from "./sample-grids.ts";
import { shardState, shardsOf } from "./shards.ts";
import type { TrainState } from "./step.ts";
import type { Task } from "./task.ts";

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
  /**
   * ZeRO-1: each of the ranks keeps the optimizer's moments of some parameters alone, and their moving averages where no
   * method's teacher is one. `state` then has a rank's own part of these. Changes no number, and nothing on one process.
   */
  shardOptimizer?: boolean;
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
  const { task = makeTask(config), folder, ranks, shardOptimizer } = options;
  checkData(data, task, config.classDropout);
  if (folder !== undefined) checkGrids(config, options.decode);
  checkTeacher(task, options);
  const step = folder !== undefined && options.resume ? (newestCheckpoint(folder)?.step ?? 0) : 0;
  const run: OpenRun = {
    ...{ config, task, data, options, seconds: [], step, isBusy: false, isStopping: false },
    ...(ranks && { reducer: reducer(ranks, options.onWarning) }),
    ...(ranks && shardOptimizer && { shards: shardsOf(task, ranks) }),
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
      if (folder === undefined) run.state ??= firstState(run);
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
  const { shards } = run;
  const reduce = (sum: Gradients): Promise<void> => reducer!.reduce(sum, shards?.names);
  const compiled = compiledStep(task, config, cut && { cut, reduce, ...(shards && { shards }) });
  const nextBatch = batchSource(data, config, { task, generator01, share: cut });
  let thrown: unknown;
  try {
    while (true) {
      await evaluate(run);
      if (run.step >= config.steps) return;
      const progress = await oneStep(run, compiled, nextBatch);
      await record(run, recorder, progress);
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

/** The state before the first step, of a run in memory. */
function firstState({ task, config, data, options, shards }: OpenRun): TrainState {
  const state = freshState(task, config, data, options.frozenTeacher);
  return shards ? shardState(state, shards) : state;
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
    run.state ??= firstState(run);
    return {};
  }
  const resume = options.resume || run.checkpoint !== undefined;
  const begin = () => beginRun(task, config, data, { ...options, folder, resume });
  const { ranks } = options;
  const begun = ranks ? await beginTogether(ranks, task, config, data, begin, run.shards) : await begin();
  const { start, path } = begun;
  const generator01 = start.generator01 && randomGenerator(start.generator01);
  if (run.state) disposeTree(run.state);
  const { step, state } = start;
  Object.assign(run, { step, state, checkpoint: path, savedAt: step, failure: undefined });
  const { rank, size } = ranks ?? { rank: 0, size: 1 };
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
