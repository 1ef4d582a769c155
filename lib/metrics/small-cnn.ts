/**
 * The feature network of the small scale: a convolutional classifier that ditlab trains once on the data set at hand.
 * Its distances follow the same formulas as Inception's, but are numbers of another space: compare them only with each
 * other, for the same data set and version.
 */
import { join } from "node:path";
import { type Dataset, type ImageSet, imageTensor } from "../data/index.ts";
import { fingerprint } from "../fingerprint.ts";
import {
  cacheFolder,
  fromTensor,
  type NdArray,
  readSafetensors,
  tensorsOf,
  writeSafetensors,
} from "../io/index.ts";
import { jit } from "../jit/index.ts";
import { xavierUniform } from "../nn/init.ts";
import { linear } from "../nn/layers.ts";
import { ADAMW_DEFAULTS, type AdamWState, adamW, initAdamW } from "../optim/adamw.ts";
import { scheduleAt } from "../optim/schedules.ts";
import { countParams, type Params } from "../tensor/params.ts";
import { randomStream } from "../tensor/random.ts";
import { type Tensor, type Tensor4D, tf } from "../tensor/tf.ts";
import type { Features } from "./features.ts";

const NAME = "small-cnn/2";
const FEATURES = 64;
const CHANNELS = [16, 32] as const;
const EPOCHS = 2;
const BATCH = 128;
const PEAK_RATE = 2e-3;

export interface SmallCnn {
  name: string;
  params: Params;
  /** On the held-out test images, 0 to 1. */
  accuracy: number;
  featureSize: number;
  parameters: number;
  /** Trained just now rather than read from the cache. */
  fresh: boolean;
}

function initCnn(data: ImageSet, classes: number, seed: number): Params {
  const random = randomStream(seed, "weights");
  const [c1, c2] = CHANNELS;
  const side = Math.ceil(Math.ceil(data.height / 2) / 2) * Math.ceil(Math.ceil(data.width / 2) / 2);
  const layer = (name: string, shape: number[], outSize: number): Params => ({
    [`${name}.weight`]: xavierUniform(random, shape),
    [`${name}.bias`]: tf.zeros([outSize]),
  });
  return {
    ...layer("conv1", [5, 5, data.channels, c1], c1),
    ...layer("conv2", [3, 3, c1, c2], c2),
    ...layer("features", [FEATURES, side * c2], FEATURES),
    ...layer("classes", [classes, FEATURES], classes),
  };
}

/** x [B,C,H,W] in [-1, 1] -> features [B,64] and logits [B,classes]. */
function cnn(params: Params, x: Tensor): { features: Tensor; logits: Tensor } {
  const conv = (name: string, input: Tensor): Tensor =>
    tf.relu(
      tf.add(
        tf.conv2d(input as Tensor4D, params[`${name}.weight`] as Tensor4D, 2, "same"),
        params[`${name}.bias`],
      ),
    );
  const maps = conv("conv2", conv("conv1", tf.transpose(x, [0, 2, 3, 1])));
  const features = tf.relu(linear(params, "features", tf.reshape(maps, [maps.shape[0], -1])));
  return { features, logits: linear(params, "classes", features) };
}

function trainingStep(
  params: Params,
  optimizer: AdamWState,
  x: Tensor,
  targets: Tensor,
  learningRate: Tensor,
) {
  const names = Object.keys(params);
  const loss = (...values: Tensor[]): Tensor => {
    const { logits } = cnn(Object.fromEntries(names.map((name, i) => [name, values[i]])), x);
    return tf.neg(tf.mean(tf.sum(tf.mul(tf.logSoftmax(logits), targets), 1)));
  };
  const { grads } = tf.valueAndGrads(loss as never)(Object.values(params));
  const gradients = Object.fromEntries(names.map((name, i) => [name, grads[i]]));
  return adamW(params, gradients, optimizer, learningRate, ADAMW_DEFAULTS);
}

async function trainCnn(
  { train, classes }: Dataset,
  onProgress?: (done: number, total: number) => void,
): Promise<Params> {
  let params = initCnn(train, classes.length, 0);
  let state = initAdamW(params);
  const step = jit(trainingStep, { name: "classifierStep" });
  const random = randomStream(1, "batches");
  const perEpoch = Math.floor(train.count / BATCH);
  const total = EPOCHS * perEpoch;
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    const order = random.permutation(train.count);
    for (let i = 0; i < perEpoch; i++) {
      const done = epoch * perEpoch + i;
      const indices = order.subarray(i * BATCH, (i + 1) * BATCH);
      const labels = tf.tensor1d(
        Int32Array.from(indices, (index) => train.labels[index]),
        "int32",
      );
      const rate = scheduleAt({ from: PEAK_RATE, to: 0, steps: total, shape: "cosine" }, done);
      const targets = tf.oneHot(labels, classes.length, 1, 0, "float32");
      ({ params, state } = await step(params, state, imageTensor(train, indices), targets, tf.scalar(rate)));
      onProgress?.(done + 1, total);
    }
  }
  await step.dispose();
  return params;
}

export interface Evaluated {
  features: Features;
  /** Softmax of the logits. */
  probabilities: Features;
}

const EVALUATION_BATCH = 250;

/** A compiled evaluation of images, given by a maker of batches [B,C,H,W] in [-1, 1]. */
async function evaluateImages(
  params: Params,
  count: number,
  batchAt: (start: number, size: number) => Tensor,
): Promise<Evaluated> {
  const forward = jit(
    (params: Params, x: Tensor) => {
      const { features, logits } = cnn(params, x);
      return { features, probabilities: tf.softmax(logits) };
    },
    { name: "classifier" },
  );
  const classes = params["classes.bias"].shape[0];
  const features = new Float32Array(count * FEATURES);
  const probabilities = new Float64Array(count * classes);
  for (let start = 0; start < count; start += EVALUATION_BATCH) {
    const size = Math.min(EVALUATION_BATCH, count - start);
    const result = await forward(params, batchAt(start, size));
    features.set(result.features.dataSync(), start * FEATURES);
    probabilities.set(result.probabilities.dataSync(), start * classes);
  }
  await forward.dispose();
  return {
    features: { data: features, count, size: FEATURES },
    probabilities: { data: probabilities, count, size: classes },
  };
}

/** Features and class probabilities of the images `indices` of a set. */
export const cnnFeaturesOfSet = (
  network: SmallCnn,
  images: ImageSet,
  indices: ArrayLike<number>,
): Promise<Evaluated> =>
  evaluateImages(network.params, indices.length, (start, size) =>
    imageTensor(
      images,
      Array.from({ length: size }, (_, i) => indices[start + i]),
    ),
  );

/** Features and class probabilities of float images [N,C,H,W] in [-1, 1]. */
export function cnnFeatures(network: SmallCnn, images: NdArray<"float32">): Promise<Evaluated> {
  const [count, ...shape] = images.shape;
  const area = shape.reduce((a, b) => a * b, 1);
  return evaluateImages(network.params, count, (start, size) =>
    tf.tensor(images.data.subarray(start * area, (start + size) * area), [size, ...shape]),
  );
}

async function accuracyOf(network: Params, { test, classes }: Dataset): Promise<number> {
  const all = Array.from({ length: test.count }, (_, i) => i);
  const { probabilities } = await evaluateImages(network, test.count, (start, size) =>
    imageTensor(test, all.slice(start, start + size)),
  );
  let right = 0;
  for (let i = 0; i < test.count; i++) {
    const row = probabilities.data.subarray(i * classes.length, (i + 1) * classes.length);
    if (row.indexOf(Math.max(...row)) === test.labels[i]) right++;
  }
  return right / test.count;
}

/**
 * The network for a data set: read from the cache folder, where its name holds a hash of the training data and of the
 * network's version, or trained (in some ten seconds on two cores) and put there.
 */
export async function loadSmallCnn(
  dataset: Dataset,
  onProgress?: (done: number, total: number) => void,
): Promise<SmallCnn> {
  const { train } = dataset;
  const hash = fingerprint([NAME, train.images, train.labels], 16);
  const path = join(cacheFolder("classifiers"), `${dataset.name}-${hash}.safetensors`);
  const describe = (params: Params, accuracy: number, fresh: boolean): SmallCnn => ({
    name: NAME,
    params,
    accuracy,
    featureSize: FEATURES,
    parameters: countParams(params),
    fresh,
  });
  const cached = await readSafetensors(path).catch(() => undefined);
  if (cached?.metadata.name === NAME)
    return describe(tensorsOf(cached.tensors), Number(cached.metadata.accuracy), false);
  const params = await trainCnn(dataset, onProgress);
  const accuracy = await accuracyOf(params, dataset);
  const arrays = await Promise.all(
    Object.entries(params).map(async ([name, t]) => [name, await fromTensor(t)] as const),
  );
  await writeSafetensors(path, Object.fromEntries(arrays), { name: NAME, accuracy: String(accuracy) });
  return describe(params, accuracy, true);
}
