/** Whole training steps, eager against compiled, at shapes and options that the fixtures do not have. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { SRABatch, SRAConfig } from "../../lib/align/index.ts";
import { jit } from "../../lib/jit/index.ts";
import { DIT_DEFAULTS, type DiTConfig, initSiT, type SiTConfig } from "../../lib/models/index.ts";
import {
  flattenTree,
  mapParams,
  normalTensor,
  type Params,
  randomGenerator,
  type Tensor,
  tf,
} from "../../lib/tensor/index.ts";
import {
  compileRuns,
  initTrainState,
  type StepConfig,
  type TrainState,
  trainStep,
} from "../../lib/train/index.ts";
import { smallConfig } from "../train/small.ts";

const MODEL: SiTConfig = {
  inputSize: 8,
  patchSize: 4,
  inChannels: 3,
  hiddenSize: 40,
  depth: 2,
  numHeads: 5,
  mlpRatio: 2,
  numClasses: 3,
  qkNorm: false,
  projectionHead: true,
};
const SRA: SRAConfig = {
  studentBlock: 1,
  teacherBlock: 2,
  interval: [0, 0.2],
  distance: "smooth-l1",
  beta: 0.05,
  projectionHead: true,
};
const STEP: StepConfig = {
  model: MODEL,
  interpolant: "linear",
  sra: SRA,
  // A gradient that nearly cancels is rounding, which a tiny epsilon would blow up to a whole step.
  adamW: { betas: [0.9, 0.999], epsilon: 1e-3, weightDecay: 0.01 },
  maxGradientNorm: 1,
};

/** Parameters without the zeros of the initialization, so that every path carries signal. */
function noisy(model: SiTConfig, seed: number): Params {
  const random = randomGenerator(seed);
  return mapParams(initSiT(model, random), (p, name) =>
    name === "pos_embed" ? p : tf.add(p, tf.mul(normalTensor(random, p.shape), 0.1)),
  );
}

function randomBatch(model: SiTConfig, size: number): SRABatch {
  const random = randomGenerator(5);
  const shape = [size, model.inChannels, model.inputSize, model.inputSize];
  const times = (scale: number): Tensor =>
    tf.tensor1d(
      random.uniforms(size).map((u) => (model.diffusion ? Math.floor(u * scale * 1000) : u * scale)),
    );
  return {
    x: normalTensor(random, shape),
    noise: normalTensor(random, shape),
    t: times(1),
    k: times(0.2),
    y: tf.tensor1d(
      Int32Array.from({ length: size }, () => random.integer(model.numClasses + 1)),
      "int32",
    ),
  };
}

type Step = (
  ...args: Parameters<typeof trainStep>
) => ReturnType<typeof trainStep> | Promise<ReturnType<typeof trainStep>>;

/** Two steps; everything that they return. */
async function run(step: Step, config: StepConfig, batchSize: number, emaDecay: number): Promise<unknown> {
  const batch = randomBatch(config.model, batchSize);
  const scalars = {
    learningRate: tf.scalar(1e-2),
    alignWeight: tf.scalar(0.3),
    emaDecay: tf.scalar(emaDecay),
  };
  const start: TrainState = {
    ...initTrainState(noisy(config.model, 1)),
    ema: noisy(config.model, 2),
  };
  const first = await step(start, batch, scalars, config);
  const second = await step(first.state, batch, scalars, config);
  return { state: second.state, metrics: [first.metrics, second.metrics] };
}

async function compiled(config: StepConfig, batchSize: number, emaDecay: number): Promise<unknown> {
  // The config's plain values are part of the program.
  const step = jit(trainStep, { threads: 1 });
  const result = await run(step, config, batchSize, emaDecay);
  assert.is(step.stats.traces.length, 1);
  await step.dispose();
  return result;
}

const largest = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((m, v) => Math.max(m, Math.abs(v)), 0);

/** Asserts that two trees agree, each tensor relative to its largest entry. */
function agree(actual: unknown, expected: unknown, tolerance: number): void {
  const [a, b] = [flattenTree(actual), flattenTree(expected)];
  const shapesOf = (leaves: typeof a): unknown[] =>
    leaves.map(({ path, tensor }) => [path, tensor.dtype, tensor.shape]);
  assert.equal(shapesOf(a), shapesOf(b));
  const group = (path: string): string => path.slice(0, path.lastIndexOf("/"));
  // Tensors of zeros but for rounding, such as the gradient of a key norm's bias, are measured by their neighbours.
  const scales = new Map<string, number>();
  for (const { path, tensor } of b) {
    scales.set(group(path), Math.max(scales.get(group(path)) ?? 0, largest(tensor.dataSync())));
  }
  b.forEach(({ path, tensor }, i) => {
    const [got, want] = [a[i].tensor.dataSync(), tensor.dataSync()];
    const difference = largest(Array.from(want, (value, j) => value - got[j]));
    const scale = Math.max(largest(want), 1e-3 * scales.get(group(path))!, 1e-30);
    assert.ok(difference / scale <= tolerance, `${path}: relative error ${difference / scale}`);
  });
}

const DIT: DiTConfig = { ...MODEL, diffusion: DIT_DEFAULTS.diffusion };

const cases: Record<string, { step?: Partial<StepConfig>; batchSize?: number; emaDecay?: number }> = {
  "3 channels, patch 4, 5 heads of width 8, batch 1": { batchSize: 1 },
  "query and key norms": { step: { model: { ...MODEL, qkNorm: true } } },
  "cosine interpolant": { step: { interpolant: "cosine" } },
  "a model without a head": {
    step: { model: { ...MODEL, projectionHead: false }, sra: { ...SRA, projectionHead: false } },
  },
  "a head that is not used": { step: { sra: { ...SRA, projectionHead: false } } },
  baseline: { step: { sra: undefined } },
  "EMA decay 0": { emaDecay: 0 },
  "no clipping, no weight decay": {
    step: { maxGradientNorm: 0, adamW: { ...STEP.adamW, weightDecay: 0 } },
  },
  l2: { step: { sra: { ...SRA, distance: "l2" } } },
  l1: { step: { sra: { ...SRA, distance: "l1" } } },
  "cosine over features": { step: { sra: { ...SRA, distance: "cosine", cosineAxis: "feature" } } },
  "cosine over tokens": { step: { sra: { ...SRA, distance: "cosine", cosineAxis: "token" } } },
  "one block, patch 2, deep teacher": {
    step: { model: { ...MODEL, patchSize: 2, depth: 3 }, sra: { ...SRA, studentBlock: 3, teacherBlock: 1 } },
  },
  "a DiT": { step: { model: DIT } },
  "a DiT on squared-cosine betas that predicts data, without variance, in parts": {
    step: {
      microBatches: 2,
      model: {
        ...MODEL,
        diffusion: { schedule: "squaredcos_cap_v2", steps: 1000, prediction: "data", learnSigma: false },
      },
    },
    batchSize: 4,
  },
  "microBatches 2": { step: { microBatches: 2 }, batchSize: 4 },
  remat: { step: { remat: true } },
  "remat in parts, with query and key norms": {
    step: { remat: true, microBatches: 2, model: { ...MODEL, qkNorm: true } },
    batchSize: 4,
  },
};

for (const [name, { step, batchSize = 2, emaDecay = 0.9 }] of Object.entries(cases)) {
  test(`jit equals eager: ${name}`, async () => {
    const config = { ...STEP, ...step };
    agree(
      await compiled(config, batchSize, emaDecay),
      await run(trainStep, config, batchSize, emaDecay),
      2e-5,
    );
  });
}

test("microBatches changes nothing but the order of sums", async () => {
  const whole = await run(trainStep, STEP, 4, 0.9);
  for (const microBatches of [2, 4]) {
    agree(await run(trainStep, { ...STEP, microBatches }, 4, 0.9), whole, 2e-5);
  }
});

test("computing blocks again changes nothing", async () => {
  agree(await run(trainStep, { ...STEP, remat: true }, 2, 0.9), await run(trainStep, STEP, 2, 0.9), 2e-5);
});

for (const config of [
  { ...STEP, accumulate: 2 },
  { ...STEP, accumulate: 3, microBatches: 2, remat: true },
  { ...STEP, accumulate: 6, sra: undefined },
]) {
  const { accumulate, microBatches = 1, sra } = config;
  test(`${accumulate} runs of ${microBatches} parts ${sra ? "with" : "without"} SRA are one step, and keep their sums in place`, async () => {
    const step = compileRuns({ ...smallConfig(), ...config, batchSize: 6 });
    const result = await run((state, batch, scalars) => step(state, batch, scalars), config, 6, 0.9);
    const [add, apply] = step.stats;
    const { length } = Object.keys(noisy(MODEL, 1));
    assert.ok(add.traces[0].inPlace > 0.5 * length, `${add.traces[0].inPlace} of ${length}`);
    assert.ok(apply.traces[0].inPlace > 3 * length, `${apply.traces[0].inPlace} of 4 x ${length}`);
    assert.equal([add.traces.length, apply.traces.length], [1, 1]);
    await step.dispose();
    agree(result, await run(trainStep, { ...config, microBatches: 1 }, 6, 0.9), 2e-5);
  });
}

test("an EMA of decay 0 is the student", async () => {
  const { state } = (await run(trainStep, STEP, 2, 0)) as { state: TrainState };
  agree(state.ema, state.params, 0);
});

test("the baseline leaves the projection head and its moments alone", async () => {
  const { state } = (await run(trainStep, { ...STEP, sra: undefined }, 2, 0.9)) as { state: TrainState };
  const before = noisy(MODEL, 1);
  for (const name of Object.keys(before).filter((name) => name.startsWith("ap_head."))) {
    assert.equal(state.params[name].dataSync(), before[name].dataSync());
    assert.is(largest(state.optimizer.first[name].dataSync()), 0);
  }
});

test("a step in runs takes the state, and leaves the caller's batch", async () => {
  const config = { ...smallConfig(), ...STEP, batchSize: 4, accumulate: 2 };
  const step = compileRuns(config);
  const state = initTrainState(noisy(MODEL, 1));
  const batch = randomBatch(MODEL, 4);
  const scalars = { learningRate: tf.scalar(1e-2), alignWeight: tf.scalar(0.3), emaDecay: tf.scalar(0.9) };
  const before = tf.memory().numTensors;
  const result = await step(state, batch, scalars);
  // The next state for the last one; three metrics are new.
  assert.is(tf.memory().numTensors, before + 3);
  assert.ok(flattenTree(state).every(({ tensor }) => tensor.isDisposed));
  assert.not(flattenTree([batch, result]).some(({ tensor }) => tensor.isDisposed));
  await step.dispose();
});

test("no step leaves tensors behind beyond what it returns", async () => {
  const state = initTrainState(noisy(MODEL, 1));
  const batch = randomBatch(MODEL, 2);
  const scalars = { learningRate: tf.scalar(1e-2), alignWeight: tf.scalar(0.3), emaDecay: tf.scalar(0.9) };
  const before = tf.memory().numTensors;
  const result = trainStep(state, batch, scalars, STEP);
  const returned = new Set(flattenTree(result).map(({ tensor }) => tensor.id));
  const given = new Set(flattenTree(state).map(({ tensor }) => tensor.id));
  const fresh = [...returned].filter((id) => !given.has(id)).length;
  assert.is(tf.memory().numTensors - before, fresh);
});

test.run();
