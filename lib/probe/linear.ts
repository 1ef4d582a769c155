/**
 * Linear probing: how much of the class a block's features show. Average-pooled tokens, batch normalization without
 * parameters, one linear layer (paper section 4; the representation that SRA is to improve).
 */
import { type Compiled, jit } from "../jit/index.ts";
import { ADAMW_DEFAULTS, type AdamWState, adamW, initAdamW } from "../optim/adamw.ts";
import { scheduleAt } from "../optim/schedules.ts";
import { check as checkFields, count, positive, z } from "../schema.ts";
import { valueAndGrad } from "../tensor/gradient.ts";
import type { Params } from "../tensor/params.ts";
import { randomStream } from "../tensor/random.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { disposeTree } from "../tensor/tree.ts";
import type { BlockFeatures } from "./features.ts";
import { chunks, type FeatureRows, gatherRows, momentsOf, rowsOf } from "./rows.ts";

export const probeRecipe = z.strictObject({
  epochs: count("Passes over the training images."),
  batchSize: count("Images of a step, or all where they are fewer; what is left of an epoch is dropped."),
  learningRate: positive("Of the first step; it falls to 0 as half a cosine, step by step."),
});
/** A training in shuffled batches: passes over the images, images of a step, and the learning rate that falls from step to step. */
export type ProbeRecipe = z.infer<typeof probeRecipe>;

/** A training on all images at once, at a constant learning rate: quick where there are few of them. */
export interface QuickProbe {
  /** Default: 150. */
  steps?: number;
  /** Default: 0.03. */
  learningRate?: number;
  epochs?: undefined;
}

/** What a probe is, beside how it is trained. */
export interface ProbeSettings {
  classes: number;
  /** Of the order of the batches. Default: 0. */
  seed?: number;
  /** Is told how many of all steps are done, those of every block together. */
  onProgress?: (done: number, total: number) => void;
  /** Ends the probe by the signal's reason, thrown. */
  signal?: AbortSignal;
}

export type ProbeOptions = ProbeSettings & (QuickProbe | ProbeRecipe);

/**
 * The paper's: 80 epochs of batches of 4096 with a cosine from 1e-3. It names no optimizer, nor what the layer begins
 * with: it is Adam with its usual settings here, without weight decay, from zeros (the problem is convex).
 */
export const PAPER_PROBE: ProbeRecipe = { epochs: 80, batchSize: 4096, learningRate: 1e-3 };

/** PyTorch's. */
const NORM_EPSILON = 1e-5;

const normalized = (x: Tensor, mean: Tensor, variance: Tensor): Tensor =>
  tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, NORM_EPSILON)));

/** Features [blocks, batch, width] by the mean and variance of their batch. */
function batchNorm(x: Tensor): Tensor {
  const { mean, variance } = tf.moments(x, 1, true);
  return normalized(x, mean, variance);
}

/** Mean cross-entropy of logits [blocks, count, classes] against one-hot targets [count, classes], summed over blocks. */
function crossEntropy(logits: Tensor, targets: Tensor): Tensor {
  const logProbabilities = tf.sub(logits, tf.logSumExp(logits, 2, true));
  return tf.neg(tf.div(tf.sum(tf.mul(logProbabilities, targets)), targets.shape[0]));
}

const logitsOf = ({ weight, bias }: Params, features: Tensor): Tensor =>
  tf.add(tf.matMul(features, weight), bias);

/** How many steps there are, of how many images, and at which learning rate. */
function planOf(count: number, options: ProbeOptions) {
  if (options.epochs === undefined) {
    const { steps = 150, learningRate = 0.03 } = options;
    return { epochs: steps, batch: count, perEpoch: 1, rate: (): number => learningRate };
  }
  const { epochs, batchSize, learningRate: from } = options;
  const batch = Math.min(batchSize, count);
  const perEpoch = Math.floor(count / batch);
  const rate = (step: number): number =>
    scheduleAt({ from, to: 0, steps: epochs * perEpoch, shape: "cosine" }, step);
  return { epochs, batch, perEpoch, rate };
}

/** Bytes that the blocks which are trained together may take: their batch, its logits, and the layers with their moments. */
const GROUP_BYTES = 2 ** 29;

/** Blocks in groups that fit into memory. Each block's probe is its own, whatever company it has. */
export function groupsOf({ blocks, width }: FeatureRows, batch: number, classes: number): number[][] {
  const bytes = 4 * (batch * (2 * width + 3 * classes) + 5 * width * classes);
  const size = Math.max(1, Math.floor(GROUP_BYTES / bytes));
  return [...chunks(blocks, size)].map((group) => [...group]);
}

function probeStep(
  params: Params,
  optimizer: AdamWState,
  x: Tensor,
  labels: Tensor,
  rate: Tensor,
  classes: number,
) {
  const targets = tf.oneHot(labels, classes, 1, 0, "float32");
  const { gradient } = valueAndGrad((given: Params): Tensor => crossEntropy(logitsOf(given, x), targets))(
    params,
  );
  return adamW(params, gradient, optimizer, rate, ADAMW_DEFAULTS);
}

const predictions = (params: Params, x: Tensor, mean: Tensor, variance: Tensor): Tensor =>
  tf.argMax(logitsOf(params, normalized(x, mean, variance)), 2);

/** What trains and measures layers of so many classes, compiled. */
interface ProbeFunctions {
  normalize: Compiled<[x: Tensor], Tensor>;
  step: Compiled<
    [params: Params, optimizer: AdamWState, x: Tensor, labels: Tensor, rate: Tensor],
    { params: Params; state: AdamWState }
  >;
  predict: Compiled<[params: Params, x: Tensor, mean: Tensor, variance: Tensor], Tensor>;
}

export const probeFunctions = (classes: number): ProbeFunctions => ({
  normalize: jit(batchNorm, { name: "batchNorm" }),
  step: jit(
    (params: Params, optimizer: AdamWState, x: Tensor, labels: Tensor, rate: Tensor) =>
      probeStep(params, optimizer, x, labels, rate, classes),
    { name: "probeStep", donate: [0, 1] },
  ),
  predict: jit(predictions, { name: "probePredictions" }),
});

const tensorOf = async (
  rows: FeatureRows,
  blocks: readonly number[],
  images: ArrayLike<number>,
): Promise<Tensor> =>
  tf.tensor(await gatherRows(rows, blocks, images), [blocks.length, images.length, rows.width]);

const labelsAt = (labels: ArrayLike<number>, images: ArrayLike<number>): Tensor =>
  tf.tensor1d(
    Int32Array.from(images, (i) => labels[i]),
    "int32",
  );

/**
 * Trains the layers of some blocks, `weight` [blocks, width, classes] and `bias` [blocks, 1, classes], on features that
 * each batch normalizes.
 */
export async function trainProbe(
  { normalize, step }: Pick<ProbeFunctions, "normalize" | "step">,
  rows: FeatureRows,
  labels: ArrayLike<number>,
  blocks: readonly number[],
  options: ProbeOptions,
  onStep: () => void = () => {},
): Promise<Params> {
  const { classes, seed = 0, signal } = options;
  const { width, count } = rows;
  const { epochs, batch, perEpoch, rate } = planOf(count, options);
  const params: Params = {
    weight: tf.zeros([blocks.length, width, classes]),
    bias: tf.zeros([blocks.length, 1, classes]),
  };
  let probe = { params, state: initAdamW(params) };
  const batchOf = async (images: ArrayLike<number>) => {
    const x = await tensorOf(rows, blocks, images);
    const features = await normalize(x).finally(() => x.dispose());
    return { features, targets: labelsAt(labels, images) };
  };
  // Where every step sees all images, their order does not matter, and they are read and normalized once.
  const all = batch === count ? await batchOf(Int32Array.from({ length: count }, (_, i) => i)) : undefined;
  try {
    for (let i = 0; i < epochs; i++) {
      const order = all ? undefined : randomStream(seed, "probe epoch", i).permutation(count);
      for (let j = 0; j < perEpoch; j++) {
        signal?.throwIfAborted();
        const inputs = all ?? (await batchOf(order!.subarray(j * batch, (j + 1) * batch)));
        const learningRate = tf.scalar(rate(i * perEpoch + j));
        try {
          probe = await step(probe.params, probe.state, inputs.features, inputs.targets, learningRate);
        } finally {
          learningRate.dispose();
          if (!all) disposeTree(inputs);
        }
        onStep();
      }
    }
  } catch (error) {
    disposeTree(probe.params);
    throw error;
  } finally {
    disposeTree([probe.state, ...(all ? [all.features, all.targets] : [])]);
  }
  return probe.params;
}

/** How many of some images each block's layer tells the class of, in features normalized as training's whole set. */
async function rightOf(
  { predict }: Pick<ProbeFunctions, "predict">,
  params: Params,
  [mean, variance]: readonly Tensor[],
  test: FeatureRows,
  labels: ArrayLike<number>,
  blocks: readonly number[],
): Promise<number[]> {
  const right = blocks.map(() => 0);
  for (const images of chunks(test.count)) {
    const x = await tensorOf(test, blocks, images);
    const chosen = await predict(params, x, mean, variance).finally(() => x.dispose());
    const predicted = await chosen.data();
    chosen.dispose();
    for (let b = 0, at = 0; b < blocks.length; b++)
      for (const image of images) if (predicted[at++] === labels[image]) right[b]++;
  }
  return right;
}

/**
 * Accuracy (0 to 1) of a linear probe on each block's features, trained on one set and measured on the other: by the
 * paper's recipe with `...PAPER_PROBE`, or quickly. While it is trained, features are normalized by their batch; when it is
 * measured, by the mean and variance of the whole training set. Features that do not fit into memory are read as they are
 * needed.
 * @throws where features and labels do not fit each other, or a label is none of the classes
 */
export async function linearProbe(
  train: BlockFeatures | FeatureRows,
  trainLabels: ArrayLike<number>,
  test: BlockFeatures | FeatureRows,
  testLabels: ArrayLike<number>,
  options: ProbeOptions,
): Promise<number[]> {
  check(train, trainLabels, test, testLabels, options);
  const { classes, onProgress } = options;
  const [from, held] = [rowsOf(train), rowsOf(test)];
  const { epochs, batch, perEpoch } = planOf(from.count, options);
  const groups = groupsOf(from, batch, classes);
  const total = groups.length * epochs * perEpoch;
  let done = 0;
  const accuracies: number[] = [];
  const functions = probeFunctions(classes);
  try {
    for (const group of groups) {
      const params = await trainProbe(functions, from, trainLabels, group, options, () =>
        onProgress?.(++done, total),
      );
      const { mean, variance } = await momentsOf(from, group);
      const moments = [mean, variance].map((values) => tf.tensor(values, [group.length, 1, from.width]));
      try {
        const right = await rightOf(functions, params, moments, held, testLabels, group);
        accuracies.push(...right.map((count) => count / held.count));
      } finally {
        disposeTree([params, moments]);
      }
    }
  } finally {
    await Promise.all(Object.values(functions).map((one) => one.dispose()));
  }
  return accuracies;
}

type Sizes = Pick<FeatureRows, "blocks" | "count" | "width">;

function check(
  train: Sizes,
  trainLabels: ArrayLike<number>,
  test: Sizes,
  testLabels: ArrayLike<number>,
  options: ProbeOptions,
): void {
  const { blocks, width } = train;
  if (test.blocks !== blocks || test.width !== width)
    throw new Error(
      `probe: test features are [${test.blocks}, , ${test.width}], expected [${blocks}, , ${width}]`,
    );
  for (const [name, set, labels] of [
    ["train", train, trainLabels],
    ["test", test, testLabels],
  ] as const) {
    if (labels.length !== set.count)
      throw new Error(`probe: ${labels.length} ${name} labels for ${set.count} features`);
    const wrong = Array.prototype.findIndex.call(
      labels,
      (label) => !(Number.isInteger(label) && label >= 0 && label < options.classes),
    );
    if (wrong >= 0)
      throw new Error(
        `probe: ${name} label ${wrong} is ${labels[wrong]}, expected 0 to ${options.classes - 1}`,
      );
  }
  const { epochs, batchSize, learningRate } = options as ProbeSettings & Partial<ProbeRecipe>;
  if (epochs !== undefined) checkFields(probeRecipe, { epochs, batchSize, learningRate }, "probe");
}
