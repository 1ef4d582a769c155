/**
 * Our side of the comparison, a process of its own: reads a scale, then one request a line (`step`, `sample`, `limit`,
 * `memory`), and answers each with one line of JSON.
 */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { SRA_DEFAULTS } from "../../lib/align/index.ts";
import { SIT_PROCESS } from "../../lib/diffusion/index.ts";
import { jit, loop } from "../../lib/jit/index.ts";
import { TRANSFORMER_DEFAULTS } from "../../lib/models/index.ts";
import { ADAMW_DEFAULTS } from "../../lib/optim/index.ts";
import { sampleGenerator } from "../../lib/samplers/index.ts";
import { normalTensor, randomGenerator, type Tensor, tf } from "../../lib/tensor/index.ts";
import {
  initTask,
  initTrainState,
  makeTask,
  microBatchesFor,
  type StepOptions,
  type TrainState,
  trainStep,
} from "../../lib/train/index.ts";
import { blocks, CLASSES, GUIDANCE, PATCH, SAMPLE_STEPS, SAMPLES, type Scale } from "./scales.ts";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const scale: Scale = JSON.parse((await lines.next()).value as string);
const { depth, width, heads, size, channels, batch: count } = scale;
const random = randomGenerator(0);
const model = {
  ...TRANSFORMER_DEFAULTS,
  depth,
  hiddenSize: width,
  numHeads: heads,
  inputSize: size,
  inChannels: channels,
  patchSize: PATCH,
  numClasses: CLASSES,
};
const task = makeTask({
  model,
  process: SIT_PROCESS,
  methods: [{ ...SRA_DEFAULTS, ...blocks(scale) }],
});
const config: StepOptions = { adamW: ADAMW_DEFAULTS, maxGradientNorm: 1 };
const shape = [count, channels, size, size];
const batch = {
  x: normalTensor(random, shape),
  noise: normalTensor(random, shape),
  t: tf.tensor1d(random.uniforms(count)),
  condition: {
    y: tf.tensor1d(
      Int32Array.from({ length: count }, (_, i) => i % CLASSES),
      "int32",
    ),
  },
  draws: [{ interval: tf.tensor1d(random.uniforms(count).map((u) => u * 0.2)) }],
};
const scalars = { learningRate: tf.scalar(1e-4), weights: [tf.scalar(0.2)], emaDecay: tf.scalar(0.9999) };
const step = jit(
  (state: TrainState, b: typeof batch, s: typeof scalars) => trainStep(task, state, b, s, config),
  {
    name: "trainStep",
    donate: [0],
  },
);
let state = initTrainState(task, initTask(task, random));
const { flops } = step.lower([state, batch, scalars]);
const generator = sampleGenerator(task.network, SIT_PROCESS);

const seconds = async (body: () => Promise<unknown>): Promise<number> => {
  const start = performance.now();
  await body();
  return (performance.now() - start) / 1000;
};

/** The rate of the step's largest matrix products with nothing between them, operations a second: a median of several. */
async function limit(): Promise<number> {
  const rows = (count / microBatchesFor(task, count)) * (size / PATCH) ** 2;
  const repeats = 16;
  const products = jit((x: Tensor, up: Tensor, down: Tensor) =>
    loop(repeats, x, (x) => {
      const hidden = tf.matMul(x as never, up as never, false, true);
      return tf.matMul(hidden, down as never, false, true);
    }),
  );
  // Of a size that keeps what is multiplied again and again near 1.
  const weights = (out: number, from: number): Tensor =>
    tf.mul(normalTensor(random, [out, from]), 1 / Math.sqrt(from));
  const args = [
    normalTensor(random, [rows, width]),
    weights(4 * width, width),
    weights(width, 4 * width),
  ] as const;
  const times: number[] = [];
  for (let i = 0; i < 11; i++) times.push(await seconds(async () => tf.dispose(await products(...args))));
  await products.dispose();
  return (repeats * 4 * rows * width * 4 * width) / times.sort((x, y) => x - y)[5];
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
