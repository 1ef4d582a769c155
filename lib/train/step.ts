/** One training step as a pure function: losses, gradients, clipping, AdamW, EMA. */
import { type LossOptions, type SRABatch, sraLosses, teacherTarget } from "../align/sra.ts";
import { traceOnce } from "../jit/repeat.ts";
import { isTrainable, type TransformerConfig } from "../models/transformer.ts";
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
  /** Further moving averages, one for each of `moreEmaDecays`. */
  averages?: Params[];
}

/** Numbers of one step that may follow schedules, as scalar tensors. */
export interface StepScalars {
  learningRate: Tensor;
  /** lambda, the weight of the alignment loss. */
  alignWeight: Tensor;
  emaDecay: Tensor;
}

export interface StepConfig extends LossOptions {
  model: TransformerConfig;
  adamW: AdamWConfig;
  /** Largest global gradient norm; 0 leaves gradients alone. */
  maxGradientNorm: number;
  /**
   * The batch is split into this many parts inside the graph, one after the other, which changes nothing but the memory
   * and time. Default: chosen by the sizes of model and batch.
   */
  microBatches?: number;
  moreEmaDecays?: readonly number[];
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

const copy = (params: Params): Params => mapParams(params, (p) => tf.clone(p));

/** A fresh state: the teacher, and further averages, start as copies of the student. */
export const initTrainState = (
  params: Params,
  { moreEmaDecays }: Pick<StepConfig, "moreEmaDecays"> = {},
): TrainState => ({
  params,
  ema: copy(params),
  optimizer: initAdamW(trainable(params)),
  ...(moreEmaDecays && { averages: moreEmaDecays.map(() => copy(params)) }),
});

/** The parameters that a loss trains: tfjs refuses those it does not use, and an idle projection head has no gradient. */
const trainedNames = (params: Params, { sra }: LossOptions): string[] =>
  Object.keys(params).filter(
    (name) => isTrainable(name) && (sra?.projectionHead || !name.startsWith("ap_head.")),
  );

/** Losses of a batch, and the gradients of mean(generative) + alignWeight * align. */
export interface Gradients {
  generative: Tensor;
  align?: Tensor;
  gradients: Params;
}

/** Losses and gradients for every trainable parameter that the loss uses. */
export function sraGradients(
  params: Params,
  teacher: Params,
  model: TransformerConfig,
  batch: SRABatch,
  alignWeight: Tensor,
  options: LossOptions,
): Gradients {
  const names = trainedNames(params, options);
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

/** tfjs's type for containers knows no interfaces. */
const tidy = <T>(body: () => T): T => tf.tidy(body as never) as unknown as T;

function part(batch: SRABatch, index: number, parts: number): SRABatch {
  if (parts === 1) return batch;
  const cut = (tensor: Tensor): Tensor => tf.split(tensor, parts, 0)[index];
  return { x: cut(batch.x), noise: cut(batch.noise), t: cut(batch.t), k: cut(batch.k), y: cut(batch.y) };
}

/** A step in several runs: how many, and the batch size of the whole step. */
export interface RunsConfig extends StepConfig {
  accumulate?: number;
  batchSize: number;
}

/** The batches of a step's runs. */
export const runBatches = (batch: SRABatch, { accumulate = 1 }: RunsConfig): SRABatch[] =>
  tidy(() => Array.from({ length: accumulate }, (_, i) => part(batch, i, accumulate)));

const partsOf = (samples: number, { model, microBatches }: StepConfig): number =>
  microBatches ?? microBatchesFor(model, samples);

/** Adds what equal parts of the batch give, to `sum` if there is one. */
function summedGradients(
  { params, ema }: Pick<TrainState, "params" | "ema">,
  batch: SRABatch,
  alignWeight: Tensor,
  config: StepConfig,
  sum?: Gradients,
): Gradients {
  const parts = partsOf(batch.x.shape[0], config);
  const gradientsOf = traceOnce((samples: SRABatch) =>
    sraGradients(params, ema, config.model, samples, alignWeight, config),
  );
  for (let i = 0; i < parts; i++) {
    const { x, ...rest } = part(batch, i, parts);
    // One after the other: a part's activations are gone before those of the next one come.
    const turn = sum && i > 0 ? inOrder(x, Object.values(sum.gradients)) : x;
    const next = gradientsOf({ x: turn, ...rest });
    sum = sum ? addGradients(sum, next) : next;
  }
  return sum!;
}

const addGradients = (a: Gradients, b: Gradients): Gradients =>
  namedScope("gradient_sum", () => ({
    generative: tf.add(a.generative, b.generative),
    ...(a.align && { align: tf.add(a.align, b.align!) }),
    gradients: mapParams(a.gradients, (g, name) => tf.add(g, b.gradients[name])),
  }));

/** Updates a state by the sum of what `parts` equal parts of a batch gave. */
function update(
  state: TrainState,
  { generative, align, gradients }: Gradients,
  parts: number,
  scalars: StepScalars,
  { maxGradientNorm, adamW: optimizer, moreEmaDecays = [] }: StepConfig,
): { state: TrainState; metrics: StepMetrics } {
  const mean = (value: Tensor): Tensor => tf.mul(value, 1 / parts);
  const gradientNorm = namedScope("gradient_norm", () => mean(globalNorm(gradients)));
  const clip = maxGradientNorm > 0 ? clipFactor(gradientNorm, maxGradientNorm) : tf.scalar(1);
  const next = namedScope("optimizer", () =>
    adamW(state.params, gradients, state.optimizer, scalars.learningRate, optimizer, mean(clip)),
  );
  const ema = namedScope("ema", () => updateEma(state.ema, next.params, scalars.emaDecay));
  const averages = namedScope("ema", () =>
    state.averages?.map((average, i) => updateEma(average, next.params, tf.scalar(moreEmaDecays[i]))),
  );
  return {
    state: { params: next.params, ema, optimizer: next.state, ...(averages && { averages }) },
    metrics: { generative: mean(generative), align: align && mean(align), gradientNorm },
  };
}

/** One step: (state, batch, scalars) -> (next state, metrics). Compile it with `jit`. */
export const trainStep = (
  state: TrainState,
  batch: SRABatch,
  scalars: StepScalars,
  config: StepConfig,
): { state: TrainState; metrics: StepMetrics } =>
  tidy(() => {
    const sum = summedGradients(state, batch, scalars.alignWeight, config);
    return update(state, sum, partsOf(batch.x.shape[0], config), scalars, config);
  });

/** What a step of several runs begins with: `accumulateGradients` adds to it, `applyGradients` ends the step. */
export const noGradients = (params: Params, config: StepConfig): Gradients =>
  tidy(() => ({
    generative: tf.scalar(0),
    ...(config.sra && { align: tf.scalar(0) }),
    gradients: Object.fromEntries(
      trainedNames(params, config).map((name) => [name, tf.zeros(params[name].shape)]),
    ),
  }));

/** Adds what the batch of one run gives. */
export const accumulateGradients = (
  sum: Gradients,
  weights: Pick<TrainState, "params" | "ema">,
  batch: SRABatch,
  alignWeight: Tensor,
  config: StepConfig,
): Gradients => tidy(() => summedGradients(weights, batch, alignWeight, config, sum));

/** Updates the state by what all runs of a step have given. */
export const applyGradients = (
  state: TrainState,
  sum: Gradients,
  scalars: StepScalars,
  config: RunsConfig,
): { state: TrainState; metrics: StepMetrics } =>
  tidy(() => {
    const { accumulate = 1, batchSize } = config;
    return update(state, sum, accumulate * partsOf(batchSize / accumulate, config), scalars, config);
  });
