import { test } from "uvu";
import * as assert from "uvu/assert";
import { DIT_PROCESS } from "../../lib/diffusion/index.ts";
import { PAPER_PRESETS, paperConfig } from "../../lib/experiments/index.ts";
import { jit } from "../../lib/jit/index.ts";
import { makeNetwork, parameterCount } from "../../lib/models/index.ts";
import { flattenTree, randomGenerator, tf } from "../../lib/tensor/index.ts";
import {
  checkTrainConfig,
  headShapes,
  initTask,
  initTrainState,
  makeTask,
  measureStep,
  planTraining,
  syntheticBatch,
  syntheticScalars,
  type TrainState,
  trainStep,
} from "../../lib/train/index.ts";
import { SMALL_SRA, smallConfig } from "./small.ts";

/** The small run as a DiT's. */
const { model } = smallConfig();
const dit = (interval: [number, number]) =>
  smallConfig({
    model: { ...model, outChannels: 2 },
    process: DIT_PROCESS,
    methods: [{ ...SMALL_SRA, interval }],
  });

test("a plan counts what the whole step does, without making a parameter", async () => {
  const config = smallConfig({ batchSize: 8, microBatches: 4 });
  const before = tf.memory().numTensors;
  const plan = await planTraining(config);
  assert.is(tf.memory().numTensors, before);
  const task = makeTask(config);
  const params = initTask(task, randomGenerator(1));
  const [batch, scalars] = [await syntheticBatch(config, 8), syntheticScalars(config)];
  const whole = jit((state: TrainState) => trainStep(task, state, batch, scalars, config)).lower([
    initTrainState(task, params),
  ]);
  assert.is(plan.flopsPerStep, whole.flops);
  const heads = Object.values(headShapes(task)).reduce((sum, shape) => sum + tf.util.sizeFromShape(shape), 0);
  assert.is(plan.parameters, parameterCount(config.model) + heads);
  assert.is(plan.memory.weights, 8 * plan.parameters);
  // All but the position embedding have moments.
  assert.is(plan.memory.optimizer, 8 * (plan.parameters - params.pos_embed.size));
  assert.equal([plan.accumulate, plan.microBatches, plan.steps], [1, 4, 12]);
  // Between its arguments and results a step keeps at least all gradients.
  assert.ok(plan.memory.activations > 4 * (plan.parameters - params.pos_embed.size));
  const halves = await planTraining({ ...config, accumulate: 2, microBatches: 2 });
  assert.equal([halves.flopsPerStep, halves.accumulate], [plan.flopsPerStep, 2]);
});

test("recomputed blocks take less between", async () => {
  const config = smallConfig({ batchSize: 64, microBatches: 1, model: { ...smallConfig().model, depth: 6 } });
  const [plain, remat] = await Promise.all([false, true].map((remat) => planTraining({ ...config, remat })));
  assert.ok(remat.memory.activations < 0.7 * plain.memory.activations);
  assert.ok(remat.flopsPerStep > plain.flopsPerStep);
});

test("a step is measured, of a DiT too", async () => {
  const config = dit([0, 200]);
  const make = () => initTask(makeTask(config), randomGenerator(0));
  const before = tf.memory().numTensors;
  const seconds = await measureStep(config, make, { seconds: 0.1 });
  assert.is(tf.memory().numTensors, before);
  assert.ok(seconds > 0 && seconds < 5, `${seconds}`);
});

test("a made-up batch has a DiT's steps and whole intervals, and a SiT's times", async () => {
  const { t, draws } = await syntheticBatch(dit([50, 200]), 200);
  const [steps, intervals] = [t, draws![0].interval].map((tensor) => [...tensor.dataSync()]);
  assert.ok(steps.every((step) => Number.isInteger(step) && step >= 0 && step < 1000));
  assert.ok(Math.max(...steps) > 900 && Math.min(...steps) < 100);
  assert.ok(intervals.every((k) => Number.isInteger(k) && k >= 50 && k < 200));
  const sit = await syntheticBatch(smallConfig(), 200);
  assert.ok(sit.t.dataSync().every((time) => time >= 0 && time < 1));
  assert.ok(sit.draws![0].interval.dataSync().every((k) => k >= 0 && k < 0.2));
});

test("a made-up batch has all arrays that a method needs, and nothing that none does", async () => {
  const encoders = [{ array: "dinov2", width: 5 }];
  const methods = [{ method: "repa", weight: 0.5, block: 1, encoders, projectorWidth: 7 } as const];
  const shapes = (batch: unknown) =>
    Object.fromEntries(flattenTree(batch).map(({ path, tensor }) => [path, tensor.shape]));
  assert.equal(shapes(await syntheticBatch(smallConfig({ methods: [...methods] }), 3)), {
    x: [3, 1, 8, 8],
    noise: [3, 1, 8, 8],
    t: [3],
    "condition/y": [3],
    dropped: [3],
    "arrays/dinov2": [3, 4, 5],
  });
  const unconditional = smallConfig({ methods: [], model: { ...model, numClasses: 0 }, classDropout: 0 });
  assert.equal(shapes(await syntheticBatch(unconditional, 3)), {
    x: [3, 1, 8, 8],
    noise: [3, 1, 8, 8],
    t: [3],
  });
});

test("a network's output must be what the process predicts", () => {
  assert.throws(
    () => checkTrainConfig(smallConfig({ process: DIT_PROCESS, methods: [] })),
    /^RangeError: train config: model\.outChannels must be 2, what the process predicts of 1 channels, got undefined$|model\.outChannels is missing, expected 2, what the process predicts of 1 channels/,
  );
});

test("two methods with one head, and one that needs company, are refused", () => {
  assert.throws(
    () => checkTrainConfig(smallConfig({ methods: [SMALL_SRA, SMALL_SRA] })),
    /methods\.1\.method must be another than that of methods\.0, which has the parameter ap_head\.linear1\.weight too/,
  );
  const dispersive = { method: "dispersive", weight: 0.25, block: 1, temperature: 1 } as const;
  checkTrainConfig(smallConfig({ methods: [SMALL_SRA, dispersive] }));
  assert.throws(
    () => checkTrainConfig(smallConfig({ methods: [dispersive], batchSize: 8, microBatches: 8 })),
    /methods\.0\.method must be one that needs no other samples/,
  );
});

test("the paper's presets are sound", () => {
  assert.is(PAPER_PRESETS.length, 49);
  for (const preset of PAPER_PRESETS) {
    for (const methods of [["sra"], ["sra-2026-07"], ["repa", "dispersive"], []] as const)
      checkTrainConfig(paperConfig(preset, methods));
  }
  const { model, process, methods, batchSize } = paperConfig("dit-xl-2-imagenet512");
  assert.equal(
    [model.inputSize, makeNetwork(model).outChannels, process, batchSize],
    [64, 8, DIT_PROCESS, 256],
  );
  const [{ weight, ...sra }] = methods as [typeof SMALL_SRA];
  assert.equal([weight, sra.studentBlock, sra.teacherBlock, sra.interval], [0.04, 8, 16, [0, 200]]);
  assert.equal(paperConfig("sit-b-4-imagenet256", []).methods, []);
  assert.throws(
    () => paperConfig("sit-b-2"),
    /^unknown preset 'sit-b-2'; expected a model and a resolution, as in/,
  );
});

test.run();
