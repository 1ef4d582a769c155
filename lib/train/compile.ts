/** The training step of a config, compiled. */
import type { SRABatch } from "../align/sra.ts";
import { type Compiled, jit } from "../jit/index.ts";
import { finishing } from "../jit/jit.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import {
  accumulateGradients,
  applyGradients,
  type Gradients,
  noGradients,
  type RunsConfig,
  runBatches,
  type StepConfig,
  type StepMetrics,
  type StepScalars,
  type TrainState,
  trainStep,
} from "./step.ts";

type Step = (
  state: TrainState,
  batch: SRABatch,
  scalars: StepScalars,
) => { state: TrainState; metrics: StepMetrics };

/** The whole step as one program: (state, batch, scalars) -> (state, metrics). The state is updated in place: the one passed in is gone. */
export const compileStep = (config: StepConfig): Compiled<Parameters<Step>, ReturnType<Step>> =>
  jit<Parameters<Step>, ReturnType<Step>>(
    (state, batch, scalars) => trainStep(state, batch, scalars, config),
    { name: "trainStep", donate: [0] },
  );

/**
 * The same step in `accumulate` runs, each with its share of the batch, and an update: two programs, whose memory is
 * that of a share.
 */
export function compileRuns(config: RunsConfig) {
  const add = jit(
    (
      sum: Gradients,
      weights: Pick<TrainState, "params" | "ema">,
      batch: SRABatch,
      alignWeight: Tensor,
    ): Gradients => accumulateGradients(sum, weights, batch, alignWeight, config),
    { name: "accumulateGradients", donate: [0] },
  );
  const apply = jit(
    (state: TrainState, sum: Gradients, scalars: StepScalars): ReturnType<Step> =>
      applyGradients(state, sum, scalars, config),
    { name: "applyGradients", donate: [0, 1] },
  );
  const run = async (...[state, batch, scalars]: Parameters<Step>): Promise<ReturnType<Step>> => {
    const { params, ema } = state;
    let sum = noGradients(params, config);
    for (const part of runBatches(batch, config)) {
      sum = await add(sum, { params, ema }, part, scalars.alignWeight);
      if (part !== batch) tf.dispose(Object.values(part));
    }
    return apply(state, sum, scalars);
  };
  const step = (...args: Parameters<Step>): Promise<ReturnType<Step>> => finishing(run(...args));
  return Object.assign(step, {
    /** Of the two programs. */
    stats: [add.stats, apply.stats] as const,
    dispose: async (): Promise<void> => {
      await Promise.all([add.dispose(), apply.dispose()]);
    },
  });
}
