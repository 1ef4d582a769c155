import { test } from "uvu";
import * as assert from "uvu/assert";
import { PAPER_PRESETS, paperConfig } from "../../lib/experiments/index.ts";
import { jit } from "../../lib/jit/index.ts";
import { DIT_DEFAULTS, initSiT, initTransformer, parameterCount } from "../../lib/models/index.ts";
import { normalTensor, randomGenerator, tf } from "../../lib/tensor/index.ts";
import {
  checkTrainConfig,
  initTrainState,
  measureStep,
  planTraining,
  syntheticBatch,
  trainStep,
} from "../../lib/train/index.ts";
import { smallConfig } from "./small.ts";

test("a plan counts what the whole step does, without making a parameter", () => {
  const config = smallConfig({ batchSize: 8, microBatches: 4 });
  const before = tf.memory().numTensors;
  const plan = planTraining(config);
  assert.ok(tf.memory().numTensors - before < 1000);
  const random = randomGenerator(1);
  const [x, noise] = [0, 1].map(() => normalTensor(random, [8, 1, 8, 8]));
  const batch = { x, noise, t: tf.ones([8]), k: tf.zeros([8]), y: tf.zeros([8], "int32") };
  const scalars = { learningRate: tf.scalar(0), alignWeight: tf.scalar(0), emaDecay: tf.scalar(0) };
  const params = initSiT(config.model, random);
  const whole = jit((state: ReturnType<typeof initTrainState>) =>
    trainStep(state, batch, scalars, config),
  ).lower([initTrainState(params)]);
  assert.is(plan.flopsPerStep, whole.flops);
  assert.is(plan.parameters, parameterCount(config.model));
  assert.is(plan.memory.weights, 8 * plan.parameters);
  // All but the position embedding have moments.
  assert.is(plan.memory.optimizer, 8 * (plan.parameters - params.pos_embed.size));
  assert.equal([plan.accumulate, plan.microBatches, plan.steps], [1, 4, 12]);
  // Between its arguments and results a step keeps at least all gradients.
  assert.ok(plan.memory.activations > 4 * (plan.parameters - params.pos_embed.size));
  const halves = planTraining({ ...config, accumulate: 2, microBatches: 2 });
  assert.equal([halves.flopsPerStep, halves.accumulate], [plan.flopsPerStep, 2]);
});

test("recomputed blocks take less between", () => {
  const config = smallConfig({ batchSize: 64, microBatches: 1, model: { ...smallConfig().model, depth: 6 } });
  const [plain, remat] = [false, true].map((remat) => planTraining({ ...config, remat }));
  assert.ok(remat.memory.activations < 0.7 * plain.memory.activations);
  assert.ok(remat.flopsPerStep > plain.flopsPerStep);
});

test("a step is measured, of a DiT too", async () => {
  const { model } = smallConfig();
  const config = smallConfig({
    model: { ...model, diffusion: DIT_DEFAULTS.diffusion },
    sra: { ...smallConfig().sra!, interval: [0, 200] },
  });
  const make = () => initTransformer(config.model, randomGenerator(0));
  const seconds = await measureStep(config, make, { seconds: 0.1 });
  assert.ok(seconds > 0 && seconds < 5, `${seconds}`);
});

test("a made-up batch has a DiT's steps and whole intervals, and a SiT's times", () => {
  const { sra, model } = smallConfig();
  const dit = smallConfig({
    model: { ...model, diffusion: DIT_DEFAULTS.diffusion },
    sra: { ...sra!, interval: [50, 200] },
  });
  const { t, k } = syntheticBatch(dit, 200);
  const [steps, intervals] = [t, k].map((tensor) => [...tensor.dataSync()]);
  assert.ok(steps.every((step) => Number.isInteger(step) && step >= 0 && step < 1000));
  assert.ok(Math.max(...steps) > 900 && Math.min(...steps) < 100);
  assert.ok(intervals.every((k) => Number.isInteger(k) && k >= 50 && k < 200));
  const sit = syntheticBatch(smallConfig(), 200);
  assert.ok(sit.t.dataSync().every((time) => time >= 0 && time < 1));
  assert.ok(sit.k.dataSync().every((k) => k >= 0 && k < 0.2));
});

test("a SiT's interval is in times, a DiT's in whole steps", () => {
  const { sra, model } = smallConfig();
  const check = (interval: number | [number, number], diffusion?: typeof DIT_DEFAULTS.diffusion) => () =>
    checkTrainConfig(smallConfig({ model: { ...model, diffusion }, sra: { ...sra!, interval } }));
  const { diffusion } = DIT_DEFAULTS;
  check([0, 0.2])();
  check([0, 200], diffusion)();
  check(100, diffusion)();
  assert.throws(
    check([0, 200]),
    /^train config: sra.interval must be within \[0, 1\], ascending \(times; a DiT's intervals are in steps\), got \[0,200\]$/,
  );
  assert.throws(
    check([0, 0.2], diffusion),
    /^train config: sra.interval must be whole steps, because a DiT's intervals are not in times: \[0, 200\] of 1000 is a SiT's \[0, 0.2\], got \[0,0.2\]$/,
  );
  for (const interval of [[0.3, 0.1], [Number.NaN, 0.1], [0, Number.NaN], -0.1] as const)
    assert.throws(check(interval as number), /sra.interval(\.\d)? must be/);
  assert.throws(check([0, 1001], diffusion), /within \[0, 1000\]/);
});

test("the paper's presets are sound", () => {
  assert.is(PAPER_PRESETS.length, 48);
  for (const preset of PAPER_PRESETS) {
    for (const arm of ["sra", "baseline"] as const) checkTrainConfig(paperConfig(preset, arm));
  }
  const { model, sra, alignWeight, batchSize } = paperConfig("dit-xl-2-imagenet512");
  assert.equal([model.inputSize, model.diffusion?.steps, batchSize, alignWeight], [64, 1000, 256, 0.04]);
  assert.equal([sra?.studentBlock, sra?.teacherBlock, sra?.interval], [8, 16, [0, 200]]);
  assert.is(paperConfig("sit-b-4-imagenet256", "baseline").sra, undefined);
  assert.throws(
    () => paperConfig("sit-b-2"),
    /^unknown preset 'sit-b-2'; expected a model and a resolution, as in/,
  );
});

test.run();
