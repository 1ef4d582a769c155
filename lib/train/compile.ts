/** The training step of a task, compiled. */
import type { Batch } from "../align/method.ts";
import { type Compiled, jit } from "../jit/index.ts";
import { finishing } from "../jit/jit.ts";
import type { Tensor } from "../tensor/tf.ts";
import { disposeTree } from "../tensor/tree.ts";
import { type Cut, cutBatch } from "./cut.ts";
import type { Gradients } from "./losses.ts";
import { compileShardedUpdate } from "./sharded-update.ts";
import type { Shards } from "./shards.ts";
import {
  accumulateGradients,
  applyGradients,
  misfits,
  noGradients,
  runBatches,
  type StepOptions,
  type StepResult,
  type StepScalars,
  type StudentAndTeacher,
  type TrainState,
  trainStep,
} from "./step.ts";
import type { Task } from "./task.ts";

export type StepArguments = [state: TrainState, batch: Batch, scalars: StepScalars];

/**
 * The whole step as one program: (state, batch, scalars) -> (state, metrics). The state is updated in place: the one
 * passed in is gone.
 */
export const compileStep = (task: Task, options: StepOptions): Compiled<StepArguments, StepResult> =>
  jit<StepArguments, StepResult>(
    (state, batch, scalars) => {
      checkBatch(batch);
      return trainStep(task, state, batch, scalars, options);
    },
    { name: "trainStep", donate: [0], precision: options.precision },
  );

function checkBatch(batch: Batch): void {
  const [first] = misfits(batch);
  if (first)
    throw new Error(
      `a batch's tensors have its ${batch.x.shape[0]} samples as their first axis, got ${first}`,
    );
}

/** What a process computes of a step, and how it comes by what the others do. */
export interface Share {
  readonly cut: Cut;
  /** Adds the sums of the others to its own, in place; in shards those of its own parameters. */
  reduce?(sum: Gradients): Promise<void>;
  /** What this rank updates, where that is not all. */
  shards?: Shards;
}

const compileUpdate = (options: StepOptions & { parts: number }) =>
  jit(
    (state: TrainState, sum: Gradients, scalars: StepScalars): StepResult =>
      applyGradients(state, sum, scalars, options),
    { name: "applyGradients", donate: [0, 1] },
  );

/**
 * The same step in `accumulate` runs, each with some parts of the batch, and an update: two programs, whose memory is
 * that of a run. With a `share` the batch is a process's own part of the step's.
 */
export function compileRuns(
  task: Task,
  options: StepOptions & { accumulate?: number; batchSize: number },
  { cut, reduce, shards }: Share = { cut: cutBatch(task, options) },
) {
  const add = jit(
    (
      sum: Gradients,
      weights: StudentAndTeacher,
      batch: Batch,
      methodWeights: readonly Tensor[],
      microBatches: number,
    ): Gradients =>
      accumulateGradients(task, sum, weights, batch, methodWeights, { ...options, microBatches }),
    { name: "accumulateGradients", donate: [0], precision: options.precision },
  );
  const update = shards
    ? compileShardedUpdate({ ...options, parts: cut.parts }, shards)
    : compileUpdate({ ...options, parts: cut.parts });
  const run = async (...[state, batch, scalars]: StepArguments): Promise<StepResult> => {
    checkBatch(batch);
    const { params, ema, lossScale, frozen } = state;
    // In shards it is not whole, and nobody looks at it.
    const average = shards && !shards.keepsAverage ? {} : ema;
    const weights = { params, ema: average, ...(lossScale && { lossScale }), ...(frozen && { frozen }) };
    let sum = noGradients(task, params);
    for (const [i, part] of runBatches(batch, cut.runs).entries()) {
      sum = await add(sum, weights, part, scalars.weights, cut.runs[i]);
      if (part !== batch) disposeTree(part);
    }
    await reduce?.(sum);
    return update(state, sum, scalars);
  };
  const step = (...args: StepArguments): Promise<StepResult> => finishing(run(...args));
  return Object.assign(step, {
    /** Of the two programs. */
    stats: [add.stats, update.stats] as const,
    dispose: async (): Promise<void> => {
      await Promise.all([add.dispose(), update.dispose()]);
    },
  });
}
