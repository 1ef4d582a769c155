/**
 * Our side of the comparison, a process of its own: reads a scale, then one request a line (`step`, `sample`, `limit`,
 * `memory`), and answers each with one line of JSON.
 */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { SRA_DEFAULTS } from "../../lib/align/index.ts";
import { jit } from "../../lib/jit/index.ts";
import { initSiT, SIT_DEFAULTS } from "../../lib/models/index.ts";
import { ADAMW_DEFAULTS } from "../../lib/optim/index.ts";
import { sampleGenerator } from "../../lib/samplers/index.ts";
import { normalTensor, randomGenerator, type Tensor, tf } from "../../lib/tensor/index.ts";
import {
  initTrainState,
  microBatchesFor,
  type StepConfig,
  type TrainState,
  trainStep,
} from "../../lib/train/index.ts";
import { blocks, CLASSES, GUIDANCE, PATCH, SAMPLE_STEPS, SAMPLES, type Scale } from "./scales.ts";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const scale: Scale = JSON.parse((await lines.next()).value as string);
const { depth, width, heads, size, channels, batch: count } = scale;
const random = randomGenerator(0);
const model = {
  ...SIT_DEFAULTS,
  depth,
  hiddenSize: width,
  numHeads: heads,
  inputSize: size,
  inChannels: channels,
  patchSize: PATCH,
  numClasses: CLASSES,
};
const config: StepConfig = {
  model,
  interpolant: "linear",
  sra: { ...SRA_DEFAULTS, ...blocks(scale) },
  adamW: ADAMW_DEFAULTS,
  maxGradientNorm: 1,
};
const shape = [count, channels, size, size];
const batch = {
  x: normalTensor(random, shape),
  noise: normalTensor(random, shape),
  t: tf.tensor1d(random.uniforms(count)),
  k: tf.tensor1d(random.uniforms(count).map((u) => u * 0.2)),
  y: tf.tensor1d(
    Int32Array.from({ length: count }, (_, i) => i % CLASSES),
    "int32",
  ),
};
const scalars = { learningRate: tf.scalar(1e-4), alignWeight: tf.scalar(0.2), emaDecay: tf.scalar(0.9999) };
const step = jit((state: TrainState, b: typeof batch, s: typeof scalars) => trainStep(state, b, s, config), {
  name: "trainStep",
  donate: [0],
});
let state = initTrainState(initSiT(model, random));
const { flops } = step.lower([state, batch, scalars]);
const generator = sampleGenerator(model);

const seconds = async (body: () => Promise<unknown>): Promise<number> => {
  const start = performance.now();
  await body();
  return (performance.now() - start) / 1000;
};

/** The rate of one large matrix product of the step, operations a second: a median of many. */
async function limit(): Promise<number> {
  const rows = (count / microBatchesFor(model, count)) * (size / PATCH) ** 2;
  const product = jit((a: Tensor, b: Tensor) => tf.matMul(a as never, b as never, false, true));
  const [a, b] = [normalTensor(random, [rows, width]), normalTensor(random, [4 * width, width])];
  const times: number[] = [];
  for (let i = 0; i < 45; i++) times.push(await seconds(() => product(a, b)));
  await product.dispose();
  return (2 * rows * width * 4 * width) / times.slice(5).sort((x, y) => x - y)[20];
}

const answers: Record<string, () => Promise<unknown>> = {
  step: () =>
    seconds(async () => {
      state = (await step(state, batch, scalars)).state;
    }),
  sample: () =>
    seconds(() =>
      generator.generate(state.ema, {
        labels: Array.from({ length: SAMPLES }, (_, i) => i),
        sampler: "euler",
        steps: SAMPLE_STEPS,
        seed: 0,
        guidance: { scale: GUIDANCE },
      }),
    ),
  limit,
  // The most that was resident, in megabytes.
  memory: async () => Number(/VmHWM:\s*(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) / 1024,
  stats: async () => ({ flops, ...step.stats.traces[0] }),
};

console.log("null");
for (let line = await lines.next(); !line.done; line = await lines.next())
  console.log(JSON.stringify(await answers[line.value]()));
process.exit();
