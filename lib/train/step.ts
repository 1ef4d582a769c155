/** One training step as a pure function: losses, gradients, clipping, AdamW, EMA. */
import type { Batch } from "../align/method.ts";
import { traceOnce } from "../jit/repeat.ts";
import { inOrder } from "../nn/fused.ts";
import { type AdamWConfig, type AdamWState, adamW, initAdamW } from "../optim/adamw.ts";
import { clipFactor, globalNorm } from "../optim/clip.ts";
import { updateEma } from "../optim/ema.ts";
import { initLossScale, isTaken, type LossScale, nextLossScale } from "../optim/loss-scale.ts";
import { checkParams, mapParams, type Params } from "../tensor/params.ts";
import { namedScope } from "../tensor/scope.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { flattenTree, mapTensors, tidyTree } from "../tensor/tree.ts";
import { addGradients, type Gradients, gradientsOf, type LossOptions } from "./losses.ts";
import { microBatchesFor } from "./micro-batches.ts";
import { hasFrozenTeacher, isAveraged, isTrained, lossNames, NO_TEACHER, type Task } from "./task.ts";

export interface TrainState {
  /** The student's parameters. */
  params: Params;
  /** Their exponential moving average: the teacher's parameters, and the weights to sample from. */
  ema: Params;
  optimizer: AdamWState;
  /** Further moving averages, one for each of `moreEmaDecays`. */
  averages?: Params[];
  /** Of a run with dynamic loss scaling. */
  lossScale?: LossScale;
  /** The frozen teacher's parameters, of a task with a method that has one. */
  frozen?: Params;
}

/** Numbers of one step that may follow schedules, as scalar tensors. */
export interface StepScalars {
  learningRate: Tensor;
  /** lambda, the weight of each method's loss. */
  weights: readonly Tensor[];
  emaDecay: Tensor;
}

export interface StepOptions extends LossOptions {
  adamW: AdamWConfig;
  /** Largest global gradient norm; 0 leaves gradients alone. */
  maxGradientNorm: number;
  /**
   * The batch is split into this many parts inside the graph, one after the other, which changes nothing but the memory
   * and time, unless a method compares samples. Default: chosen by the sizes of model and batch.
   */
  microBatches?: number;
  moreEmaDecays?: readonly number[];
  /** `dynamic`: steps whose gradients left float16's range are skipped, and the loss is scaled by as much as it bears. */
  lossScaling?: "fixed" | "dynamic";
}

/**
 * Scalars by name: `generative`, the loss of each method, and `gradientNorm`, the global norm before clipping. With dynamic
 * loss scaling the norm of a skipped step is 0, and beside it stand the step's `lossScale` and `skippedSteps` so far.
 */
export type StepMetrics = Record<string, Tensor>;

/** Names among them, and in lines of metrics.jsonl, that are no losses. */
const NO_LOSSES = ["gradientNorm", "lossScale", "skippedSteps", "step", "stepSeconds", "ranks"];
export const isLoss = (name: string): boolean => !NO_LOSSES.includes(name);

export interface StepResult {
  state: TrainState;
  metrics: StepMetrics;
}

const filtered = (params: Params, keep: (name: string) => boolean): Params =>
  Object.fromEntries(Object.entries(params).filter(([name]) => keep(name)));

/**
 * A fresh state: the teacher, and further averages, start as copies of the student. `frozenTeacher` is copied, where a method
 * has one.
 */
export function initTrainState(
  task: Task,
  params: Params,
  { moreEmaDecays, lossScaling }: Pick<StepOptions, "moreEmaDecays" | "lossScaling"> = {},
  frozenTeacher?: Params,
): TrainState {
  const copy = (): Params =>
    mapParams(
      filtered(params, (name) => isAveraged(task, name)),
      (p) => tf.clone(p),
    );
  return {
    params,
    ema: copy(),
    optimizer: initAdamW(filtered(params, (name) => isTrained(task, name))),
    ...(moreEmaDecays && { averages: moreEmaDecays.map(copy) }),
    ...(lossScaling === "dynamic" && { lossScale: initLossScale() }),
    ...(hasFrozenTeacher(task) && { frozen: frozenCopy(task, frozenTeacher) }),
  };
}

/** The network's parameters among those of a frozen teacher, copied. @throws where they do not fit */
function frozenCopy({ network }: Task, teacher: Params | undefined): Params {
  if (!teacher) throw new Error(NO_TEACHER);
  const own = filtered(teacher, (name) => name in network.shapes);
  checkParams(own, network.shapes, `the frozen teacher, a ${network.name}`);
  return mapParams(own, (p) => tf.clone(p));
}

/** Part `index` of a batch that is cut into equal parts; whole where there is one. */
function part(batch: Batch, index: number, parts: number): Batch {
  if (parts === 1) return batch;
  return mapTensors(batch, (tensor) => tf.split(tensor, parts, 0)[index]);
}

/** The batches of a step's runs, of which each has so many of its parts. */
export function runBatches(batch: Batch, runs: readonly number[]): Batch[] {
  if (runs.length === 1) return [batch];
  const samples = batch.x.shape[0] / runs.reduce((sum, parts) => sum + parts, 0);
  const sizes = runs.map((parts) => parts * samples);
  return tidyTree(() => {
    const cut = runs.map((): Map<string, Tensor> => new Map());
    for (const { path, tensor } of flattenTree(batch))
      for (const [i, piece] of tf.split(tensor, sizes, 0).entries()) cut[i].set(path, piece);
    return cut.map((pieces) => mapTensors(batch, (_, path) => pieces.get(path)!));
  });
}

/** Parts that so many samples are split into inside the graph. */
const partsOf = (samples: number, task: Task, { microBatches }: StepOptions): number =>
  microBatches ?? microBatchesFor(task, samples);

/** What of a state gradients are computed from. */
export type StudentAndTeacher = Pick<TrainState, "params" | "ema" | "lossScale" | "frozen">;

/** Adds what equal parts of the batch give, to `sum` if there is one. */
function summedGradients(
  task: Task,
  { params, ema, lossScale, frozen }: StudentAndTeacher,
  batch: Batch,
  weights: readonly Tensor[],
  options: StepOptions,
  sum?: Gradients,
): Gradients {
  const parts = partsOf(batch.x.shape[0], task, options);
  const ofPart = traceOnce((samples: Batch) =>
    gradientsOf(task, params, ema, samples, weights, { ...options, frozen }, lossScale?.scale),
  );
  for (let i = 0; i < parts; i++) {
    const { x, ...rest } = part(batch, i, parts);
    // One after the other: a part's activations are gone before those of the next one come.
    const turn = sum && i > 0 ? inOrder(x, Object.values(sum.gradients)) : x;
    const next = ofPart({ x: turn, ...rest });
    sum = sum ? addGradients(sum, next) : next;
  }
  return sum!;
}

/** Updates a state by the sum of what `parts` equal parts of a batch gave. */
function update(
  state: TrainState,
  { losses, gradients }: Gradients,
  parts: number,
  scalars: StepScalars,
  { maxGradientNorm, adamW: optimizer, moreEmaDecays = [] }: StepOptions,
  squares?: Tensor,
): StepResult {
  const mean = (value: Tensor): Tensor => tf.mul(value, 1 / parts);
  const gradientNorm = namedScope("gradient_norm", () =>
    mean(squares ? tf.sqrt(tf.sum(squares)) : globalNorm(gradients)),
  );
  const clip = maxGradientNorm > 0 ? clipFactor(gradientNorm, maxGradientNorm) : tf.scalar(1);
  const next = namedScope("optimizer", () =>
    adamW(state.params, gradients, state.optimizer, scalars.learningRate, optimizer, mean(clip)),
  );
  const ema = namedScope("ema", () => updateEma(state.ema, next.params, scalars.emaDecay));
  const averages = namedScope("ema", () =>
    state.averages?.map((average, i) => updateEma(average, next.params, tf.scalar(moreEmaDecays[i]))),
  );
  const result: StepResult = {
    state: {
      ...{ params: next.params, ema, optimizer: next.state },
      ...(averages && { averages }),
      ...(state.frozen && { frozen: state.frozen }),
    },
    metrics: { ...mapParams(losses, mean), gradientNorm },
  };
  return state.lossScale ? takenOrSkipped(state, result, state.lossScale) : result;
}

/** A step with dynamic loss scaling: what it came to, or the state before it. */
function takenOrSkipped(before: TrainState, { state, metrics }: StepResult, scaling: LossScale): StepResult {
  const { lossScale: _, ...old } = before;
  const taken = isTaken(metrics.gradientNorm, scaling);
  const leaves = new Map(flattenTree(old).map(({ path, tensor }) => [path, tensor]));
  const kept = namedScope("loss_scale", () =>
    mapTensors(state, (tensor, path) => {
      const was = leaves.get(path)!;
      return tensor === was ? tensor : tf.where(taken, tensor, was);
    }),
  );
  const lossScale = nextLossScale(scaling, taken);
  return {
    state: { ...kept, lossScale },
    metrics: {
      ...metrics,
      gradientNorm: tf.where(taken, metrics.gradientNorm, 0),
      lossScale: tf.clone(scaling.scale),
      skippedSteps: tf.clone(lossScale.skipped),
    },
  };
}

/** One step: (state, batch, scalars) -> (next state, metrics). Compile it with `jit`. */
export const trainStep = (
  task: Task,
  state: TrainState,
  batch: Batch,
  scalars: StepScalars,
  options: StepOptions,
): StepResult =>
  tidyTree(() => {
    const sum = summedGradients(task, state, batch, scalars.weights, options);
    return update(state, sum, partsOf(batch.x.shape[0], task, options), scalars, options);
  });

/** What a step of several runs begins with: `accumulateGradients` adds to it, `applyGradients` ends the step. */
export const noGradients = (task: Task, params: Params): Gradients =>
  tidyTree(() => ({
    losses: Object.fromEntries(["generative", ...lossNames(task)].map((name) => [name, tf.scalar(0)])),
    gradients: mapParams(
      filtered(params, (name) => isTrained(task, name)),
      ({ shape }) => tf.zeros(shape),
    ),
  }));

/** Adds what the batch of one run gives. */
export const accumulateGradients = (
  task: Task,
  sum: Gradients,
  weights: StudentAndTeacher,
  batch: Batch,
  methodWeights: readonly Tensor[],
  options: StepOptions,
): Gradients => tidyTree(() => summedGradients(task, weights, batch, methodWeights, options, sum));

/**
 * Updates the state by what all `parts` of a step's batch have given: all of it, or the parameters that it has, where `squares`
 * are the sums of squares of all gradients, [trained parameters].
 */
export const applyGradients = (
  state: TrainState,
  sum: Gradients,
  scalars: StepScalars,
  { parts, squares, ...options }: StepOptions & { parts: number; squares?: Tensor },
): StepResult => tidyTree(() => update(state, sum, parts, scalars, options, squares));

/** The tensors of a batch whose first axis is not its size, by path: such a batch cannot be cut into parts. */
export const misfits = (batch: Batch): string[] =>
  flattenTree(batch)
    .filter(({ tensor }) => tensor.shape[0] !== batch.x.shape[0])
    .map(({ path, tensor }) => `${path} [${tensor.shape}]`);
