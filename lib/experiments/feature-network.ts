/**
 * The feature network of the small scale: a convolutional classifier that is trained once on the data set at hand. What it
 * sees in images is a matter of `metrics/small-cnn.ts`.
 */
import { join } from "node:path";
import { type Dataset, type ImageSet, imageTensor } from "../data/index.ts";
import { fingerprint } from "../fingerprint.ts";
import { cacheFolder, fromTensor, readSafetensors, tensorsOf, writeSafetensors } from "../io/index.ts";
import { jit } from "../jit/index.ts";
import { cnn, cnnFeaturesOfSet, type SmallCnn } from "../metrics/small-cnn.ts";
import { xavierUniform } from "../nn/init.ts";
import { ADAMW_DEFAULTS, type AdamWState, adamW, initAdamW } from "../optim/adamw.ts";
import { scheduleAt } from "../optim/schedules.ts";
import { valueAndGrad } from "../tensor/gradient.ts";
import { countParams, type Params } from "../tensor/params.ts";
import { randomStream } from "../tensor/random.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { disposeTree } from "../tensor/tree.ts";

const NAME = "small-cnn/2";
const FEATURES = 64;
const CHANNELS = [16, 32] as const;
const EPOCHS = 2;
const BATCH = 128;
const PEAK_RATE = 2e-3;

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

function trainingStep(
  params: Params,
  optimizer: AdamWState,
  x: Tensor,
  targets: Tensor,
  learningRate: Tensor,
) {
  const loss = (given: Params): Tensor => {
    const { logits } = cnn(given, x);
    return tf.neg(tf.mean(tf.sum(tf.mul(tf.logSoftmax(logits), targets), 1)));
  };
  const { gradient } = valueAndGrad(loss)(params);
  return adamW(params, gradient, optimizer, learningRate, ADAMW_DEFAULTS);
}

async function trainCnn(
  { train, classes }: Dataset,
  onProgress?: (done: number, total: number) => void,
): Promise<Params> {
  let params = initCnn(train, classes.length, 0);
  let state = initAdamW(params);
  // What a step has used up is given back at once: on a GPU nothing else would say how much of its memory is taken.
  const step = jit(trainingStep, { name: "classifierStep", donate: [0, 1] });
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
      const batch = [
        imageTensor(train, indices),
        tf.oneHot(labels, classes.length, 1, 0, "float32"),
        tf.scalar(rate),
      ] as const;
      ({ params, state } = await step(params, state, ...batch));
      tf.dispose([labels, ...batch]);
      onProgress?.(done + 1, total);
    }
  }
  disposeTree(state);
  await step.dispose();
  return params;
}

/** On the held-out test images, 0 to 1. */
async function accuracyOf(params: Params, { test, classes }: Dataset): Promise<number> {
  const all = Array.from({ length: test.count }, (_, i) => i);
  const { probabilities } = await cnnFeaturesOfSet({ params }, test, all);
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
