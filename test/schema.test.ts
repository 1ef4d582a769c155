/** Configs are checked by one description: every fault in one sentence, and what help says of a field. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { processConfig } from "../lib/diffusion/process.ts";
import type { networkConfig } from "../lib/models/make.ts";
import { scheduleAt, warmup } from "../lib/optim/index.ts";
import { warmupAndDecay } from "../lib/optim/schedules.ts";
import { check, checkKnown, describeField, nearest } from "../lib/schema.ts";
import { trainConfigFields } from "../lib/train/config.ts";
import { checkTrainConfig, type TrainConfig } from "../lib/train/index.ts";
import { SMALL_SRA, smallConfig } from "./train/small.ts";

const messageOf = (config: unknown): string => {
  try {
    checkTrainConfig(config as TrainConfig);
  } catch (error) {
    assert.ok(error instanceof RangeError);
    return error.message;
  }
  return "";
};
const { model, ...rest } = smallConfig();

test("a right config passes, with every optional field too", () => {
  assert.is(messageOf(smallConfig()), "");
  const full = smallConfig({
    accumulate: 2,
    remat: true,
    precision: "float16",
    lossScaling: "dynamic",
    moreEmaDecays: [0.99, 0.999],
    keepCheckpoints: 3,
    keepEvery: 10,
    sampleEvery: 5,
    learningRate: warmupAndDecay(1e-3, 2, 12, "cosine"),
    methods: [
      { ...SMALL_SRA, weight: warmup(0.2, 5) },
      { method: "layersync", weight: 0.2, block: 1, targetBlock: 2 },
    ],
  });
  assert.is(messageOf(full), "");
  assert.is(messageOf(smallConfig({ methods: [] })), "");
});

test("every missing, unknown and wrong field is named in one message", () => {
  const { mlpRatio, ...short } = model;
  const message = messageOf({
    ...rest,
    lerningRate: 1,
    model: { ...short, hidenSize: 5, depth: 0 },
    batchSize: -1,
    emaDecay: "0.9",
    classDropout: 2,
    process: { type: "interpolant", path: "line", times: "uniform", steps: 3 },
    methods: [{ ...SMALL_SRA, studentBlok: 1, distance: "l3" }, { method: "repo" }],
    adamW: { betas: [0.9], epsilon: 1e-8 },
  });
  for (const phrase of [
    "train config: ",
    "lerningRate is unknown, did you mean learningRate?",
    "model.hidenSize is unknown, did you mean hiddenSize?",
    "model.mlpRatio is missing, expected a number above 0",
    "model.depth must be a positive integer, got 0",
    "batchSize must be a positive integer, got -1",
    'emaDecay must be a number, a curve (from, to, steps, shape) or a list of curves, got "0.9"',
    "classDropout must be from 0 to 1, got 2",
    'process.path must be linear or cosine, got "line"',
    "process.steps is unknown, expected one of type, path, times",
    "methods.0.studentBlok is unknown, did you mean studentBlock?",
    'methods.0.distance must be smooth-l1 or l2 or l1 or cosine, got "l3"',
    'methods.1.method must be sra or dts-as or self-flow or sra2 or repa or layersync or dispersive or contrastive or self-transcendence-1 or self-transcendence or attention, got "repo"',
    "adamW.weightDecay is missing",
    "adamW.betas must be two numbers, got [0.9]",
  ])
    assert.ok(message.includes(phrase), `${phrase}\nis not in\n${message}`);
  assert.not.match(message, "\n");
});

test("a config of one key says all that is missing; no config says so", () => {
  const message = messageOf({ model: { inputSize: 16 } });
  for (const field of ["seed", "model.patchSize", "model.numClasses", "steps", "batchSize", "learningRate"])
    assert.ok(message.includes(`${field} is missing, expected `), `${field}: ${message}`);
  assert.is(messageOf(undefined), "train config: it must be an object, got undefined");
  assert.is(messageOf(null), "train config: it must be an object, got null");
  assert.is(messageOf([]), "train config: it must be an object, got []");
});

test("what is no object where one is expected is said in plain words", () => {
  const message = messageOf({
    ...rest,
    model: "SiT-S/2",
    process: undefined,
    adamW: null,
    methods: ["sra", null, { ...SMALL_SRA, weight: [3] }],
    seed: Number.NaN,
    steps: 3n,
  });
  for (const phrase of [
    'model must be an object, got "SiT-S/2"',
    "process is missing, expected an object",
    "adamW must be an object, got null",
    'methods.0 must be an object, got "sra"',
    "methods.1 must be an object, got null",
    "methods.2.weight.0 must be an object, got 3",
    "seed must be an integer, got NaN",
    "steps must be a positive integer, got 3",
  ])
    assert.ok(message.includes(phrase), `${phrase}\nis not in\n${message}`);
  assert.not.match(message, /Invalid|received/);
  const said = (value: unknown) => () => check(processConfig, value, "process");
  assert.throws(said({ type: "flow" }), /^process: type must be interpolant or gaussian, got "flow"$/);
  assert.throws(said({}), /^process: type is missing, expected interpolant or gaussian$/);
});

test("options that no schema describes are known by name", () => {
  const said = (given: object) => () => checkKnown(given, ["steps", "eta", "grid"], "options");
  assert.throws(
    said({ etta: 1, colour: 2, steps: 3 }),
    /^options: etta is unknown, did you mean eta\?; colour is unknown, expected one of steps, eta, grid$/,
  );
  assert.not.throws(said({ steps: 3, other: undefined }));
});

test("what is wrong inside a schedule is named there", () => {
  const curve = { from: 0, to: 1, steps: 5, shape: "linear" };
  assert.match(
    messageOf({ ...smallConfig(), learningRate: { ...curve, stepz: 3 } }),
    /learningRate\.stepz is unknown, did you mean steps\?/,
  );
  assert.match(
    messageOf({ ...smallConfig(), learningRate: { ...curve, shape: "log" } }),
    /learningRate\.shape must be linear or cosine or exponential, got "log"/,
  );
  assert.match(
    messageOf({ ...smallConfig(), learningRate: [] }),
    /learningRate must be a list of at least one curve, got \[\]/,
  );
  assert.match(
    messageOf({ ...smallConfig(), learningRate: Number.NaN }),
    /learningRate must be a number, a curve/,
  );
});

test("fields that do not fit each other are named, each of them", () => {
  const both = messageOf(
    smallConfig({
      accumulate: 3,
      methods: [{ ...SMALL_SRA, studentBlock: 3, interval: [0.5, 0.2] }],
      keepEvery: 7,
      precision: "bfloat16",
      lossScaling: "dynamic",
    }),
  );
  for (const phrase of [
    "accumulate must be a divisor of batchSize 8, got 3",
    "methods.0.studentBlock must be from 1 to the model's depth 2, got 3",
    "methods.0.interval must be within [0, 1], ascending, got [0.5,0.2]",
    "keepEvery must be a multiple of checkpointEvery 5, got 7",
    'lossScaling must be absent or fixed, as precision is bfloat16 and not float16, got "dynamic"',
  ])
    assert.ok(both.includes(phrase), `${phrase}\nis not in\n${both}`);
  assert.match(
    messageOf(smallConfig({ model: { ...model, patchSize: 3 } })),
    /model\.inputSize must be a multiple of patchSize 3, got 8/,
  );
});

test("the nearest name is one that may have been meant", () => {
  const names = ["learningRate", "steps", "batchSize"];
  assert.is(nearest("learning_rate", names), "learningRate");
  assert.is(nearest("STEPS", names), "steps");
  assert.is(nearest("unrelated", names), undefined);
  assert.is(nearest("x", []), undefined);
});

test("every field says what it is", () => {
  const fields = (shape: object, prefix = ""): string[] =>
    Object.keys(shape).flatMap((name) => {
      const field = trainConfigFields.shape[name as keyof typeof trainConfigFields.shape];
      return prefix === "" && name === "model"
        ? Object.keys((field as typeof networkConfig).options[0].shape).map((inner) => `model.${inner}`)
        : [name];
    });
  for (const field of fields(trainConfigFields.shape))
    assert.match(describeField(trainConfigFields, field), /^.{4,}\.$/s, field);
  assert.throws(() => describeField(trainConfigFields, "model.nothing"), /there is no field model\.nothing/);
  assert.throws(() => check(trainConfigFields, 3, "config"), /^RangeError: config: |config: it must be/);
});

test("a warm-up and a decay are one schedule", () => {
  const rate = warmupAndDecay(2, 4, 12, "linear");
  assert.equal(
    [0, 2, 4, 8, 12, 20].map((step) => scheduleAt(rate, step)),
    [0, 1, 2, 1, 0, 0],
  );
  const cosine = warmupAndDecay(2, 0, 8, "cosine");
  assert.is(scheduleAt(cosine, 0), 2);
  assert.ok(Math.abs(scheduleAt(cosine, 4) - 1) < 1e-12 && Math.abs(scheduleAt(cosine, 8)) < 1e-12);
});

test.run();
