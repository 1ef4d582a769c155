/** Whole training steps, eager against compiled, at shapes and options that the fixtures do not have. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Batch, MethodConfig } from "../../lib/align/index.ts";
import { DIT_PROCESS, SIT_PROCESS } from "../../lib/diffusion/index.ts";
import { jit } from "../../lib/jit/index.ts";
import { makeNetwork, type TransformerConfig } from "../../lib/models/index.ts";
import {
  flattenTree,
  mapParams,
  mapTensors,
  normalTensor,
  type Params,
  randomGenerator,
  type Tensor,
  tf,
} from "../../lib/tensor/index.ts";
import {
  compileRuns,
  initTask,
  initTrainState,
  makeTask,
  type StepOptions,
  type StepResult,
  type StepScalars,
  type TaskConfig,
  type TrainState,
  trainStep,
} from "../../lib/train/index.ts";

const MODEL: TransformerConfig = {
  inputSize: 8,
  patchSize: 4,
  inChannels: 3,
  hiddenSize: 40,
  depth: 2,
  numHeads: 5,
  mlpRatio: 2,
  numClasses: 3,
  qkNorm: false,
};
const SRA: MethodConfig & { method: "sra" } = {
  method: "sra",
  weight: 0.3,
  studentBlock: 1,
  teacherBlock: 2,
  interval: [0, 0.2],
  distance: "smooth-l1",
  beta: 0.05,
  projectionHead: true,
};
type Config = TaskConfig & StepOptions;
const STEP: Config = {
  model: MODEL,
  process: SIT_PROCESS,
  methods: [SRA],
  // A gradient that nearly cancels is rounding, which a tiny epsilon would blow up to a whole step.
  adamW: { betas: [0.9, 0.999], epsilon: 1e-3, weightDecay: 0.01 },
  maxGradientNorm: 1,
};

/** Parameters without the zeros of the initialization, so that every path carries signal. */
function noisy(config: TaskConfig, seed: number): Params {
  const random = randomGenerator(seed);
  return mapParams(initTask(makeTask(config), random), (p, name) =>
    name === "pos_embed" ? p : tf.add(p, tf.mul(normalTensor(random, p.shape), 0.1)),
  );
}

function randomBatch({ model, process, methods }: TaskConfig, size: number): Batch {
  const random = randomGenerator(5);
  const shape = [size, model.inChannels, model.inputSize, model.inputSize];
  const whole = process.type === "gaussian";
  const times = (scale: number): Tensor =>
    tf.tensor1d(random.uniforms(size).map((u) => (whole ? Math.floor(u * scale * 1000) : u * scale)));
  const [x, noise] = [normalTensor(random, shape), normalTensor(random, shape)];
  const [t, interval] = [times(1), times(0.2)];
  const ids = Int32Array.from({ length: size }, () => random.integer(makeNetwork(model).classes + 1));
  return {
    x,
    noise,
    t,
    condition: { y: tf.tensor1d(ids, "int32") },
    dropped: tf.tensor1d(
      Array.from({ length: size }, (_, i) => i === 1),
      "bool",
    ),
    draws: methods.map(() => ({ interval })),
  };
}

type Step = (state: TrainState, batch: Batch, scalars: StepScalars) => StepResult | Promise<StepResult>;

/** Two steps; everything that they return. */
async function run(step: Step, config: Config, batchSize: number, emaDecay: number): Promise<unknown> {
  const batch = randomBatch(config, batchSize);
  const scalars = {
    learningRate: tf.scalar(1e-2),
    weights: config.methods.map(() => tf.scalar(0.3)),
    emaDecay: tf.scalar(emaDecay),
  };
  const start: TrainState = {
    ...initTrainState(makeTask(config), noisy(config, 1)),
    ema: noisy(config, 2),
  };
  const first = await step(start, batch, scalars);
  const second = await step(first.state, batch, scalars);
  return { state: second.state, metrics: [first.metrics, second.metrics] };
}

const plain =
  (config: Config): Step =>
  (state, batch, scalars) =>
    trainStep(makeTask(config), state, batch, scalars, config);

async function compiled(config: Config, batchSize: number, emaDecay: number): Promise<unknown> {
  const step = jit(plain(config) as (...args: Parameters<Step>) => StepResult, { threads: 1 });
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

const DIT: TransformerConfig = { ...MODEL, outChannels: 6 };

const cases: Record<string, { step?: Partial<Config>; batchSize?: number; emaDecay?: number }> = {
  "3 channels, patch 4, 5 heads of width 8, batch 1": { batchSize: 1 },
  "query and key norms": { step: { model: { ...MODEL, qkNorm: true } } },
  "cosine interpolant": { step: { process: { ...SIT_PROCESS, path: "cosine" } } },
  "SRA without a head": { step: { methods: [{ ...SRA, projectionHead: false }] } },
  baseline: { step: { methods: [] } },
  "no classes": { step: { model: { ...MODEL, numClasses: 0 } } },
  "reversed time": { step: { model: { ...DIT, reversedTime: true } } },
  "EMA decay 0": { emaDecay: 0 },
  "no clipping, no weight decay": {
    step: { maxGradientNorm: 0, adamW: { ...STEP.adamW, weightDecay: 0 } },
  },
  l2: { step: { methods: [{ ...SRA, distance: "l2" }] } },
  l1: { step: { methods: [{ ...SRA, distance: "l1" }] } },
  "cosine over features": { step: { methods: [{ ...SRA, distance: "cosine", cosineAxis: "feature" }] } },
  "cosine over tokens": { step: { methods: [{ ...SRA, distance: "cosine", cosineAxis: "token" }] } },
  "one block, patch 2, deep teacher": {
    step: {
      model: { ...MODEL, patchSize: 2, depth: 3 },
      methods: [{ ...SRA, studentBlock: 3, teacherBlock: 1 }],
    },
  },
  "three methods at once": {
    step: {
      methods: [
        SRA,
        { method: "layersync", weight: 0.2, block: 1, targetBlock: 2 },
        { method: "dispersive", weight: 0.25, block: 2, temperature: 0.5 },
      ],
    },
    batchSize: 3,
  },
  "a DiT": { step: { model: DIT, process: DIT_PROCESS } },
  "a DiT on squared-cosine betas that predicts data, without variance, in parts": {
    step: {
      microBatches: 2,
      process: { ...DIT_PROCESS, schedule: "squaredcos_cap_v2", prediction: "data", learnSigma: false },
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

test("mixed precision scales a loss by a power of two, which changes no digit where nothing is rounded", async () => {
  const mixed = { ...STEP, precision: "bfloat16" as const };
  agree(await run(plain(mixed), mixed, 2, 0.9), await run(plain(STEP), STEP, 2, 0.9), 0);
});

for (const [name, { step, batchSize = 2, emaDecay = 0.9 }] of Object.entries(cases)) {
  test(`jit equals eager: ${name}`, async () => {
    const config = { ...STEP, ...step };
    agree(
      await compiled(config, batchSize, emaDecay),
      await run(plain(config), config, batchSize, emaDecay),
      // Second moments are squares: twice the error of what they are of.
      3e-5,
    );
  });
}

test("microBatches changes nothing but the order of sums", async () => {
  const whole = await run(plain(STEP), STEP, 4, 0.9);
  for (const microBatches of [2, 4]) {
    const config = { ...STEP, microBatches };
    agree(await run(plain(config), config, 4, 0.9), whole, 2e-5);
  }
});

test("computing blocks again changes nothing", async () => {
  const again = { ...STEP, remat: true };
  agree(await run(plain(again), again, 2, 0.9), await run(plain(STEP), STEP, 2, 0.9), 2e-5);
});

for (const config of [
  { ...STEP, accumulate: 2 },
  { ...STEP, accumulate: 3, microBatches: 2, remat: true },
  { ...STEP, accumulate: 6, methods: [] },
]) {
  const { accumulate, microBatches = 1, methods } = config as Config & { accumulate: number };
  test(`${accumulate} runs of ${microBatches} parts ${methods.length > 0 ? "with" : "without"} SRA are one step, and keep their sums in place`, async () => {
    const step = compileRuns(makeTask(config), { ...config, batchSize: 6 });
    const result = await run(step, config, 6, 0.9);
    const [add, apply] = step.stats;
    const { length } = Object.keys(noisy(config, 1));
    assert.ok(add.traces[0].inPlace > 0.5 * length, `${add.traces[0].inPlace} of ${length}`);
    assert.ok(apply.traces[0].inPlace > 3 * length, `${apply.traces[0].inPlace} of 4 x ${length}`);
    assert.equal([add.traces.length, apply.traces.length], [1, 1]);
    await step.dispose();
    const whole = { ...config, microBatches: 1 };
    agree(result, await run(plain(whole), whole, 6, 0.9), 2e-5);
  });
}

test("an EMA of decay 0 is the student", async () => {
  const { state } = (await run(plain(STEP), STEP, 2, 0)) as { state: TrainState };
  agree(state.ema, state.params, 0);
});

test("a step in runs takes the state, and leaves the caller's batch", async () => {
  const task = makeTask(STEP);
  const step = compileRuns(task, { ...STEP, batchSize: 4, accumulate: 2 });
  const state = initTrainState(task, noisy(STEP, 1));
  const batch = randomBatch(STEP, 4);
  const scalars = { learningRate: tf.scalar(1e-2), weights: [tf.scalar(0.3)], emaDecay: tf.scalar(0.9) };
  const before = tf.memory().numTensors;
  const result = await step(state, batch, scalars);
  // The next state for the last one; three metrics are new.
  assert.is(tf.memory().numTensors, before + 3);
  assert.ok(flattenTree(state).every(({ tensor }) => tensor.isDisposed));
  assert.not(flattenTree([batch, result]).some(({ tensor }) => tensor.isDisposed));
  await step.dispose();
});

/** In float32, also where a GPU runs this: what it makes of 16 bits is tested beside its other formats. */
const DYNAMIC = { ...STEP, lossScaling: "dynamic" } as const;

/** A state with the numbers of `run`'s, and a loss scale. */
const scaledBy = (scale: number): TrainState => {
  const state = initTrainState(makeTask(DYNAMIC), noisy(STEP, 1), DYNAMIC);
  return { ...state, lossScale: { ...state.lossScale!, scale: tf.scalar(scale) } };
};

const steps: Record<string, () => { step: Step; dispose: () => Promise<void> }> = {
  eager: () => ({ step: plain(DYNAMIC), dispose: async () => {} }),
  compiled: () => {
    const step = jit(plain(DYNAMIC) as (...args: Parameters<Step>) => StepResult);
    return { step, dispose: () => step.dispose() };
  },
  "in two runs": () => {
    const step = compileRuns(makeTask(DYNAMIC), { ...DYNAMIC, batchSize: 4, accumulate: 2 });
    // It takes the state over.
    const copied: Step = (state, ...rest) =>
      step(
        mapTensors(state, (x) => tf.clone(x)),
        ...rest,
      );
    return { step: copied, dispose: () => step.dispose() };
  },
};
for (const [name, made] of Object.entries(steps))
  test(`a step with dynamic loss scaling, ${name}: the same numbers, or none where gradients are not finite`, async () => {
    const { step, dispose } = made();
    const batch = randomBatch(STEP, 4);
    const scalars = { learningRate: tf.scalar(1e-2), weights: [tf.scalar(0.3)], emaDecay: tf.scalar(0.9) };
    const read = (x: Tensor): number => x.dataSync()[0];
    const expected = trainStep(
      makeTask(STEP),
      initTrainState(makeTask(STEP), noisy(STEP, 1)),
      batch,
      scalars,
      STEP,
    );
    const { state, metrics } = await step(scaledBy(2 ** 20), batch, scalars);
    const { lossScale, ...rest } = state;
    const { lossScale: used, skippedSteps, ...others } = metrics;
    agree(rest, expected.state, name === "eager" ? 0 : 3e-5);
    agree(others, expected.metrics, name === "eager" ? 0 : 3e-5);
    assert.equal([used, skippedSteps, lossScale!.scale].map(read), [2 ** 20, 0, 2 ** 20]);

    // Beyond even float32.
    const before = scaledBy(2 ** 127);
    const large = { ...batch, noise: tf.mul(batch.noise, 1e4) as Tensor };
    const skipped = await step(before, large, scalars);
    assert.ok(read(skipped.metrics.generative) > 1e6);
    const { lossScale: halved, ...kept } = skipped.state;
    const { lossScale: _, ...old } = before;
    agree(kept, old, 0);
    assert.equal([halved!.scale, halved!.finite, halved!.skipped].map(read), [2 ** 126, 0, 1]);
    assert.equal([skipped.metrics.gradientNorm, skipped.metrics.skippedSteps].map(read), [0, 1]);
    await dispose();
  });

test("no step leaves tensors behind beyond what it returns", async () => {
  const task = makeTask(STEP);
  const state = initTrainState(task, noisy(STEP, 1));
  const batch = randomBatch(STEP, 2);
  const scalars = { learningRate: tf.scalar(1e-2), weights: [tf.scalar(0.3)], emaDecay: tf.scalar(0.9) };
  const before = tf.memory().numTensors;
  const result = trainStep(task, state, batch, scalars, STEP);
  const returned = new Set(flattenTree(result).map(({ tensor }) => tensor.id));
  const given = new Set(flattenTree(state).map(({ tensor }) => tensor.id));
  const fresh = [...returned].filter((id) => !given.has(id)).length;
  assert.is(tf.memory().numTensors - before, fresh);
});

test.run();
