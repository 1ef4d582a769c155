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

async function losses(precision: Precision): Promise<{ used: string; products: string; losses: number[] }> {
  const random = randomGenerator(5);
  const params = mapParams(initTask(task, random), (p) =>
    tf.tidy(() => tf.add(p, tf.mul(normalTensor(random, p.shape), 0.02)) as Tensor),
  );
  const step = jit(
    (state: TrainState, batch: Parameters<typeof trainStep>[2], scalars: Parameters<typeof trainStep>[3]) =>
      trainStep(task, state, batch, scalars, {
        adamW: config.adamW,
        maxGradientNorm: 1,
        microBatches: 1,
        precision,
      }),
    { name: "trainStep", donate: [0], target: GPU_TARGET, precision },
  );
  let state = initTrainState(task, params);
  const batch = await syntheticBatch(config, config.batchSize);
  const scalars = { ...syntheticScalars(config), learningRate: tf.scalar(2e-3) };
  const seen: number[] = [];
  for (let i = 0; i < STEPS; i++) {
    const result = await step(state, batch, scalars);
    state = result.state;
    seen.push((await result.metrics.generative.data())[0], (await result.metrics.gradientNorm.data())[0]);
  }
  const { storage, products } = step.stats.traces[0].precision;
  return { used: storage, products, losses: seen };
}

if (process.argv[2] === "plain") await refuseEpilogues();
const wide = await losses("float32");
for (const format of ["bfloat16", "float16"] as const) {
  const { used, products, losses: actual } = await losses(format);
  // No number, of the bits that NVIDIA's cards make, and infinity: both are still that behind an array of 16 bits.
  const x = new Float32Array(128 * 128).fill(1);
  new Uint32Array(x.buffer)[0] = 0x7fffffff;
  x[128 * 5 + 5] = Number.POSITIVE_INFINITY;
  const squared = jit(
    (x: Tensor) => {
      const y = tf.abs(x);
      return tf.matMul(y, y) as Tensor;
    },
    { target: GPU_TARGET, precision: format },
  );
  const product = await (await squared(tf.tensor(x, [128, 128]))).data();
  const special = [product[0], product[128 * 5 + 7], product[128 * 7 + 7]].map(String);
  console.log(JSON.stringify({ format, used, products, expected: wide.losses, actual, special }));
}
process.exit(0);
