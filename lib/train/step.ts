/** One training step as a pure function: losses, gradients, clipping, AdamW, EMA. */
import { type LossOptions, type SRABatch, sraLosses, teacherTarget } from "../align/sra.ts";
import { isTrainable, type SiTConfig } from "../models/sit.ts";
import { inOrder } from "../nn/fused.ts";
import { type AdamWConfig, type AdamWState, adamW, initAdamW } from "../optim/adamw.ts";
import { clipFactor, globalNorm } from "../optim/clip.ts";
import { updateEma } from "../optim/ema.ts";
import { mapParams, type Params } from "../tensor/params.ts";
import { namedScope } from "../tensor/scope.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { microBatchesFor } from "./micro-batches.ts";

export interface TrainState {
  /** The student's parameters. */
  params: Params;
  /** The teacher's: their exponential moving average, also the weights to sample from. */
  ema: Params;
  optimizer: AdamWState;
}

/** Numbers of one step that may follow schedules, as scalar tensors. */
export interface StepScalars {
  learningRate: Tensor;
  /** lambda, the weight of the alignment loss. */
  alignWeight: Tensor;
  emaDecay: Tensor;
}

export interface StepConfig extends LossOptions {
  model: SiTConfig;
  adamW: AdamWConfig;
  /** Largest global gradient norm; 0 leaves gradients alone. */
  maxGradientNorm: number;
  /**
   * The batch is split into this many parts inside the graph, one after the other, which changes nothing but the memory
   * and time. Default: chosen by the sizes of model and batch.
   */
  microBatches?: number;
}

export interface StepMetrics {
  generative: Tensor;
  /** Absent without SRA. */
  align?: Tensor;
  /** Global norm before clipping. */
  gradientNorm: Tensor;
}

const trainable = (params: Params): Params =>
  Object.fromEntries(Object.entries(params).filter(([name]) => isTrainable(name)));

/** A fresh state: the teacher starts as a copy of the student. */
export const initTrainState = (params: Params): TrainState => ({
  params,
  ema: mapParams(params, (p) => tf.clone(p)),
  optimizer: initAdamW(trainable(params)),
});

/** Losses, and gradients of mean(generative) + alignWeight * align for every trainable parameter that the loss uses. */
export function sraGradients(
  params: Params,
  teacher: Params,
  model: SiTConfig,
  batch: SRABatch,
  alignWeight: Tensor,
  options: LossOptions,
): { generative: Tensor; align?: Tensor; gradients: Params } {
  // tfjs refuses parameters that the loss does not use: an idle projection head has no gradient.
  const headUsed = options.sra?.projectionHead ?? false;
  const names = Object.keys(params).filter(
    (name) => isTrainable(name) && (headUsed || !name.startsWith("ap_head.")),
  );
  const target = teacherTarget(teacher, model, batch, options);
  let losses: Tensor[] = [];
  const total = (...values: Tensor[]): Tensor => {
    const student = { ...params, ...Object.fromEntries(names.map((name, i) => [name, values[i]])) };
    const { generative, align } = sraLosses(student, teacher, model, batch, options, target);
    const mean = tf.mean(generative);
    // Kept beyond valueAndGrads' own scope, and handed to the caller's below.
    losses = [mean, ...(align ? [align] : [])].map((loss) => tf.keep(loss));
    return align ? tf.add(mean, tf.mul(alignWeight, align)) : mean;
  };
  const { grads } = tf.valueAndGrads(total as never)(names.map((name) => params[name]));
  target?.dispose();
  const [generative, align]: (Tensor | undefined)[] = losses.map((kept) => {
    const value = tf.clone(kept);
    kept.dispose();
    return value;
  });
  return {
    generative: generative!,
    align,
    gradients: Object.fromEntries(names.map((name, i) => [name, grads[i]])),
  };
}

const partsOf = (batch: SRABatch, { model, microBatches }: StepConfig): number =>
  microBatches ?? microBatchesFor(model, batch.x.shape[0]);

const part = (batch: SRABatch, index: number, parts: number): SRABatch => {
  const cut = (tensor: Tensor): Tensor => tf.split(tensor, parts, 0)[index];
  return { x: cut(batch.x), noise: cut(batch.noise), t: cut(batch.t), k: cut(batch.k), y: cut(batch.y) };
};

/** Mean losses over equal parts of the batch, and the sum of the parts' gradients. */
function summedGradients(
  state: TrainState,
  batch: SRABatch,
  alignWeight: Tensor,
  config: StepConfig,
): ReturnType<typeof sraGradients> {
  const parts = partsOf(batch, config);
  const gradientsOf = (part: SRABatch) =>
    sraGradients(state.params, state.ema, config.model, part, alignWeight, config);
  if (parts === 1) return gradientsOf(batch);
  let sum = gradientsOf(part(batch, 0, parts));
  for (let i = 1; i < parts; i++) {
    const { x, ...rest } = part(batch, i, parts);
    // One after the other: a part's activations are gone before those of the next one come.
    const next = gradientsOf({ x: inOrder(x, Object.values(sum.gradients)), ...rest });
    sum = {
      generative: tf.add(sum.generative, next.generative),
      align: sum.align && tf.add(sum.align, next.align!),
      gradients: mapParams(sum.gradients, (g, name) => tf.add(g, next.gradients[name])),
    };
  }
  const mean = (value: Tensor): Tensor => tf.mul(value, 1 / parts);
  return { ...sum, generative: mean(sum.generative), align: sum.align && mean(sum.align) };
}

/** One step: (state, batch, scalars) -> (next state, metrics). Compile it with `jit`. */
export function trainStep(
  state: TrainState,
  batch: SRABatch,
  scalars: StepScalars,
  config: StepConfig,
): { state: TrainState; metrics: StepMetrics } {
  const step = (): { state: TrainState; metrics: StepMetrics } => {
    const { maxGradientNorm } = config;
    const parts = partsOf(batch, config);
    const { generative, align, gradients } = summedGradients(state, batch, scalars.alignWeight, config);
    const gradientNorm = namedScope("gradient_norm", () => tf.mul(globalNorm(gradients), 1 / parts));
    const clip = maxGradientNorm > 0 ? clipFactor(gradientNorm, maxGradientNorm) : tf.scalar(1);
    const next = namedScope("optimizer", () =>
      adamW(
        state.params,
        gradients,
        state.optimizer,
        scalars.learningRate,
        config.adamW,
        tf.mul(clip, 1 / parts),
      ),
    );
    const ema = namedScope("ema", () => updateEma(state.ema, next.params, scalars.emaDecay));
    return {
      state: { params: next.params, ema, optimizer: next.state },
      metrics: { generative, align, gradientNorm },
    };
  };
  // tfjs's type for containers knows no interfaces.
  return tf.tidy(step as never) as unknown as ReturnType<typeof step>;
}
