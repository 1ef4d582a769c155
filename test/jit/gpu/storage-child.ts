/** A process that trains on a GPU with what lies between kernels in each format, and prints JSON beside float32's losses. */
import { jit, type Precision } from "../../../lib/jit/index.ts";
import { mapParams, normalTensor, randomGenerator, type Tensor, tf } from "../../../lib/tensor/index.ts";
import {
  initTask,
  initTrainState,
  makeTask,
  syntheticBatch,
  syntheticScalars,
  type TrainState,
  trainStep,
} from "../../../lib/train/index.ts";
import { smallConfig } from "../../train/small.ts";
import { GPU_TARGET, refuseEpilogues } from "./target.ts";

const STEPS = 5;
const base = smallConfig({ batchSize: 8 });
// Large enough that the arrays between kernels are narrow.
const config = { ...base, model: { ...base.model, hiddenSize: 64, depth: 2, patchSize: 2 } };
const task = makeTask(config);

/** @param firstScale what dynamic loss scaling begins with, where it is wanted */
async function losses(precision: Precision, firstScale?: number) {
  const random = randomGenerator(5);
  const params = mapParams(initTask(task, random), (p) =>
    tf.tidy(() => tf.add(p, tf.mul(normalTensor(random, p.shape), 0.02)) as Tensor),
  );
  const lossScaling = firstScale === undefined ? "fixed" : "dynamic";
  const step = jit(
    (state: TrainState, batch: Parameters<typeof trainStep>[2], scalars: Parameters<typeof trainStep>[3]) =>
      trainStep(task, state, batch, scalars, {
        adamW: config.adamW,
        maxGradientNorm: 1,
        microBatches: 1,
        precision,
        lossScaling,
      }),
    { name: "trainStep", donate: [0], target: GPU_TARGET, precision },
  );
  let state = initTrainState(task, params, { lossScaling });
  if (state.lossScale) state = { ...state, lossScale: { ...state.lossScale, scale: tf.scalar(firstScale!) } };
  const batch = await syntheticBatch(config, config.batchSize);
  const scalars = { ...syntheticScalars(config), learningRate: tf.scalar(2e-3) };
  const seen: number[] = [];
  let skipped = 0;
  for (let i = 0; i < STEPS; ) {
    const result = await step(state, batch, scalars);
    state = result.state;
    const { generative, gradientNorm, skippedSteps } = result.metrics;
    const soFar = skippedSteps === undefined ? 0 : (await skippedSteps.data())[0];
    if (soFar === skipped) {
      seen.push((await generative.data())[0], (await gradientNorm.data())[0]);
      i++;
    }
    skipped = soFar;
  }
  const { storage, products } = step.stats.traces[0].precision;
  return { used: storage, products, losses: seen, skipped };
}

if (process.argv[2] === "plain") await refuseEpilogues();
const wide = await losses("float32");
for (const format of ["bfloat16", "float16"] as const) {
  // So large that the first steps' gradients leave float16's range.
  const first = format === "float16" ? 2 ** 28 : undefined;
  const { used, products, losses: actual } = await losses(format);
  const scaled = first === undefined ? undefined : await losses(format, first);
  // No number, of the bits that NVIDIA's cards make, and infinity: both are still that behind an array of 16 bits. What a
  // float16 cannot hold is infinite.
  const x = new Float32Array(128 * 128).fill(1);
  new Uint32Array(x.buffer)[0] = 0x7fffffff;
  x[128 * 5 + 5] = Number.POSITIVE_INFINITY;
  x[128 * 9 + 9] = 1e5;
  const squared = jit(
    (x: Tensor) => {
      const y = tf.abs(x);
      return tf.matMul(y, y) as Tensor;
    },
    { target: GPU_TARGET, precision: format },
  );
  const product = await (await squared(tf.tensor(x, [128, 128]))).data();
  const special = [product[0], product[128 * 5 + 7], product[128 * 7 + 7]].map(String);
  const isLargeInfinite = product[128 * 9 + 7] === Number.POSITIVE_INFINITY;
  const report = { format, used, products, expected: wide.losses, actual, scaled, special, isLargeInfinite };
  console.log(JSON.stringify(report));
}
process.exit(0);
