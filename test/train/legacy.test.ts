/** Configs and checkpoints that ditlab 0.1 and 0.2 wrote. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { DIT_PROCESS } from "../../lib/diffusion/index.ts";
import { fromTensor, type NdArray, ndarray, writeSafetensors } from "../../lib/io/index.ts";
import { randomGenerator } from "../../lib/tensor/index.ts";
import {
  checkTrainConfig,
  currentConfig,
  initTask,
  initTrainState,
  makeTask,
  readCheckpoint,
  type TrainConfig,
  type TransformerTrainConfig,
} from "../../lib/train/index.ts";
import { currentModel } from "../../lib/train/legacy.ts";
import { fixture, temporaryFolder } from "../io/helpers.ts";
import { SMALL_SRA, smallConfig } from "./small.ts";

/** A config as 0.2 had it. */
function oldConfig({
  process,
  methods: [sra],
  model,
  ...rest
}: TransformerTrainConfig): Record<string, unknown> {
  const { method: _, weight, ...settings } = sra ?? SMALL_SRA;
  const { outChannels: __, ...plain } = model;
  const { type, ...diffusion } = process;
  return {
    ...rest,
    model: { ...plain, projectionHead: true, ...(type === "gaussian" && { diffusion }) },
    interpolant: process.type === "interpolant" ? process.path : "linear",
    timeDistribution: process.type === "interpolant" ? process.times : "uniform",
    ...(sra && { sra: settings }),
    alignWeight: weight,
  };
}

const dit = smallConfig({
  model: { ...smallConfig().model, outChannels: 2 },
  process: DIT_PROCESS,
  methods: [{ ...SMALL_SRA, interval: [0, 200] }],
});

test("configs of 0.1 and 0.2 are taken as what they say; those of now stay as they are", () => {
  for (const config of [smallConfig(), smallConfig({ methods: [] }), dit]) {
    assert.equal(currentConfig(oldConfig(config)), config);
    assert.is(currentConfig(config), config);
  }
  const recorded = JSON.parse(readFileSync(fixture("run-0.1/config.json"), "utf8"));
  checkTrainConfig(currentConfig(recorded) as TrainConfig);
  // What is wrong in them is for the check to say.
  assert.throws(
    () => checkTrainConfig(currentConfig({ ...oldConfig(smallConfig()), lerningRate: 1 }) as TrainConfig),
    /lerningRate is unknown, did you mean learningRate/,
  );
  for (const value of [undefined, 3, [], { model: { inputSize: 3 } }]) assert.is(currentConfig(value), value);
});

test("what 0.2 refused is not lost on the way: the field is named, what was expected, and what came", () => {
  const old = oldConfig(smallConfig());
  const { model, sra } = old as { model: object; sra: object };
  const refused = (change: object, message: string): void => {
    try {
      currentConfig({ ...old, ...change });
    } catch (error) {
      assert.ok(error instanceof RangeError);
      assert.is(error.message, `train config: ${message}`);
      return;
    }
    assert.unreachable(message);
  };
  refused({ sra: true }, "sra must be an object, got true");
  refused({ sra: "yes" }, 'sra must be an object, got "yes"');
  refused({ sra: [1] }, "sra must be an object, got [1]");
  refused({ sra: null }, "sra must be an object, got null");
  refused({ sra: { ...sra, method: "repa" } }, 'sra.method must be left out, for sra says it, got "repa"');
  refused({ model: { ...model, diffusion: null } }, "model.diffusion must be an object, got null");
  refused(
    { model: { ...model, diffusion: { ...DIT_PROCESS, learnSigma: "yes" } } },
    'model.diffusion.learnSigma must be true or false, got "yes"; model.diffusion.type is unknown, expected one of schedule, steps, prediction, learnSigma',
  );
  refused(
    { model: { ...model, projectionHead: "maybe" } },
    'model.projectionHead must be true or false, got "maybe"',
  );
  refused({ model: null }, "model must be an object, got null");
  // Also of fields that nothing is made of: those of a SiT in a DiT, and the weight of a baseline.
  const ofDiT = oldConfig(dit);
  assert.throws(
    () => currentConfig({ ...ofDiT, interpolant: "lineer", timeDistribution: 3 }),
    /interpolant must be linear or cosine, got "lineer"; timeDistribution must be uniform or lognormal, got 3/,
  );
  refused(
    { sra: undefined, alignWeight: "x" },
    'alignWeight must be a number, a curve (from, to, steps, shape) or a list of curves, got "x"',
  );
  for (const change of [{ diffusion: [] }, { projectionHead: 1 }])
    assert.throws(
      () => currentModel({ ...smallConfig().model, ...change }),
      /model config: (diffusion must be an object, got \[\]|projectionHead must be true or false, got 1)/,
    );
});

test("a baseline's checkpoint of 0.2 has a head that nothing trained; it is left there", async () => {
  const config = smallConfig({ methods: [] });
  const state = initTrainState(makeTask(config), initTask(makeTask(config), randomGenerator(1)));
  const tensors: Record<string, NdArray> = { "optimizer.step": await fromTensor(state.optimizer.step) };
  const groups = {
    model: state.params,
    ema: state.ema,
    "optimizer.first": state.optimizer.first,
    "optimizer.second": state.optimizer.second,
  };
  for (const [group, params] of Object.entries(groups)) {
    for (const [name, tensor] of Object.entries(params))
      tensors[`${group}/${name}`] = await fromTensor(tensor);
    tensors[`${group}/ap_head.linear1.bias`] = ndarray(new Float32Array(32), [32]);
  }
  const path = join(await temporaryFolder(), "step-00000001.safetensors");
  await writeSafetensors(path, tensors, {
    format: "ditlab-checkpoint/1",
    step: "1",
    config: JSON.stringify(oldConfig(config)),
  });
  const read = await readCheckpoint(path);
  assert.equal(read.config, config);
  assert.equal(Object.keys(read.state.params), Object.keys(state.params));
  assert.equal(Object.keys(read.state.optimizer.first), Object.keys(state.optimizer.first));
});

test.run();
