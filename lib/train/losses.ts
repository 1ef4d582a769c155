/** The losses of a batch, and their gradient. */
import type { Batch, Sight } from "../align/method.ts";
import type { Precision } from "../jit/index.ts";
import { storageOf } from "../jit/plan/precision.ts";
import type { Condition, Network } from "../models/network.ts";
import { valueAndGradWith } from "../tensor/gradient.ts";
import { mapParams, type Params } from "../tensor/params.ts";
import { namedScope } from "../tensor/scope.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { disposeTree, flattenTree, mapTensors } from "../tensor/tree.ts";
import { isTrained, lossNames, type Task } from "./task.ts";

export interface LossOptions {
  /** Compute the student's blocks again for the gradient: about a third more time, far less memory. */
  remat?: boolean;
  /** Mixed precision on a GPU. Default: float32. */
  precision?: Precision;
  /** The frozen teacher's parameters, for a method that has one. */
  frozen?: Params;
}

/**
 * What a loss is multiplied by, and its gradients are divided by, where their factors are rounded to 16 bits and nothing
 * else is said: a mean over so many numbers has slopes too small for those. It is a power of two, and gradients of parameters
 * are float32 all the way.
 */
const fixedScale = ({ x }: Batch, precision: Precision = "float32"): number =>
  storageOf(precision) === "float32" ? 1 : 2 ** Math.floor(Math.log2(x.size));

export interface Losses {
  /** Of each sample [B]: a SiT's mean squared velocity error, a DiT's hybrid loss. */
  generative: Tensor;
  /** Each method's, a scalar, in the order of the task. */
  methods: Tensor[];
}

/** A batch's condition as the student is told it: nothing where it is dropped, which some networks' parameters hold. */
export function toldCondition(network: Network, { condition, dropped }: Batch, params: Params): Condition {
  if (!dropped) return condition;
  const told = flattenTree(condition);
  return mapTensors(network.nullCondition(dropped.shape[0], params), (nothing, path) => {
    const given = told.find((leaf) => leaf.path === path)?.tensor;
    if (!given) throw new Error(`a batch's condition needs ${path}, got ${told.map((leaf) => leaf.path)}`);
    return tf.where(tf.reshape(dropped, [-1, ...given.shape.slice(1).map(() => 1)]), nothing, given);
  });
}

const drawsOf = ({ draws }: Batch, index: number): Readonly<Record<string, Tensor>> => draws?.[index] ?? {};

/** How the student looks at a batch, as one of the methods may say, and the batch with the times that it is told. */
function seenBy({ methods }: Task, batch: Batch): { sight: Sight; seen: Batch } {
  const i = methods.findIndex((method) => method.sight);
  const sight = methods[i]?.sight?.(batch, drawsOf(batch, i)) ?? { t: batch.t };
  return { sight, seen: { ...batch, t: sight.t } };
}

/** What the student is drawn to by each method: made outside of the gradient, where faster operators serve. */
export const targetsOf = (task: Task, teacher: Params, batch: Batch, frozen?: Params): Tensor[][] => {
  const { sight, seen } = seenBy(task, batch);
  const condition = toldCondition(task.network, batch, teacher);
  return task.methods.map(
    (method, i) =>
      method.targets?.({ teacher, frozen, batch: seen, sight, condition, draws: drawsOf(batch, i) }) ?? [],
  );
};

/**
 * The losses of a student on a batch (for SRA: paper eq. 4 to 6). `teacher` is the moving average of its parameters, a
 * constant: differentiate by the student's alone. `targets` are those of `targetsOf`, if they have been made already.
 */
export function lossesOf(
  task: Task,
  student: Params,
  teacher: Params,
  batch: Batch,
  { remat, frozen }: LossOptions = {},
  targets: readonly (readonly Tensor[])[] = targetsOf(task, teacher, batch, frozen),
): Losses {
  const { network, process, methods } = task;
  const { sight, seen } = seenBy(task, batch);
  const { t, ...attention } = sight;
  const input = process.noised(seen);
  const condition = toldCondition(network, batch, student);
  const taps = [...new Set(methods.flatMap((method) => method.taps))];
  const { output, taps: tapped } = namedScope("student", () =>
    network.apply(student, input, t, condition, { taps, remat, ...attention }),
  );
  const generative = namedScope("generative_loss", () => process.loss(output, input, seen));
  const losses = methods.map((method, i) =>
    namedScope("alignment_loss", () =>
      method.loss({
        params: student,
        condition,
        features: method.taps.map((block) => tapped[taps.indexOf(block)]),
        targets: targets[i],
        ...{ batch: seen, input, output },
        draws: drawsOf(batch, i),
      }),
    ),
  );
  return { generative, methods: losses };
}

/** Means over a batch by name, and the gradients of the generative loss plus each method's by its weight. */
export interface Gradients {
  losses: Record<string, Tensor>;
  gradients: Params;
}

/**
 * Losses, and gradients for every parameter that is trained. `weights` are the methods', scalars; `lossScale`, a scalar that
 * is a power of two, is what the loss is multiplied by on the way.
 */
export function gradientsOf(
  task: Task,
  student: Params,
  teacher: Params,
  batch: Batch,
  weights: readonly Tensor[],
  options: LossOptions = {},
  lossScale?: Tensor,
): Gradients {
  const trained = Object.fromEntries(Object.entries(student).filter(([name]) => isTrained(task, name)));
  const targets = targetsOf(task, teacher, batch, options.frozen);
  const total = (given: Params): { loss: Tensor; aux: Tensor[] } => {
    const losses = lossesOf(task, { ...student, ...given }, teacher, batch, options, targets);
    const mean: Tensor = tf.mean(losses.generative);
    const sum = losses.methods.reduce((sum, of, i) => tf.add(sum, tf.mul(weights[i], of)), mean);
    return { loss: scale === 1 ? sum : tf.mul(sum, scale), aux: [mean, ...losses.methods] };
  };
  const scale = lossScale ?? fixedScale(batch, options.precision);
  const { gradient, aux } = valueAndGradWith(total)(trained);
  disposeTree(targets);
  const inverse = typeof scale === "number" ? 1 / scale : tf.div(1, scale);
  const names = ["generative", ...lossNames(task)];
  return {
    losses: Object.fromEntries(names.map((name, i) => [name, aux[i]])),
    gradients: scale === 1 ? gradient : mapParams(gradient, (value) => tf.mul(value, inverse)),
  };
}

/** Sums of two parts of a batch. */
export const addGradients = (a: Gradients, b: Gradients): Gradients =>
  namedScope("gradient_sum", () => ({
    losses: sumOf(a.losses, b.losses),
    gradients: sumOf(a.gradients, b.gradients),
  }));

const sumOf = (a: Params, b: Params): Params => mapParams(a, (value, name) => tf.add(value, b[name]));
