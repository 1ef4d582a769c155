/** The training step of a task, compiled. */
import type { Batch } from "../align/method.ts";
import { type Compiled, jit } from "../jit/index.ts";
import { finishing } from "../jit/jit.ts";
import type { Tensor } from "../tensor/tf.ts";
import { disposeTree } from "../tensor/tree.ts";
import type { Gradients } from "./losses.ts";
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

/**
 * The same step in `accumulate` runs, each with its share of the batch, and an update: two programs, whose memory is
 * that of a share.
 */
export function compileRuns(task: Task, options: StepOptions & { accumulate: number; batchSize: number }) {
  const add = jit(
    (sum: Gradients, weights: StudentAndTeacher, batch: Batch, methodWeights: readonly Tensor[]): Gradients =>
      accumulateGradients(task, sum, weights, batch, methodWeights, options),
    { name: "accumulateGradients", donate: [0], precision: options.precision },
  );
  const apply = jit(
    (state: TrainState, sum: Gradients, scalars: StepScalars): StepResult =>
      applyGradients(task, state, sum, scalars, options),
    { name: "applyGradients", donate: [0, 1] },
  );
  const run = async (...[state, batch, scalars]: StepArguments): Promise<StepResult> => {
    checkBatch(batch);
    const { params, ema, lossScale, frozen } = state;
    const weights = { params, ema, ...(lossScale && { lossScale }), ...(frozen && { frozen }) };
    let sum = noGradients(task, params);
    for (const part of runBatches(batch, options.accumulate)) {
      sum = await add(sum, weights, part, scalars.weights);
      if (part !== batch) disposeTree(part);
    }
    return apply(state, sum, scalars);
  };
  const step = (...args: StepArguments): Promise<StepResult> => finishing(run(...args));
  return Object.assign(step, {
    /** Of the two programs. */
    stats: [add.stats, apply.stats] as const,
    dispose: async (): Promise<void> => {
      await Promise.all([add.dispose(), apply.dispose()]);
    },
  });
}
