/** Tasks of one's own are checked as configs are, and a run goes on with the parts that it was begun with. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Method, makeMethod } from "../../lib/align/index.ts";
import { DIT_PROCESS } from "../../lib/diffusion/index.ts";
import { loadPipeline } from "../../lib/pipeline/index.ts";
import { type Tensor, tf } from "../../lib/tensor/index.ts";
import {
  makeTask,
  type TrainingOptions,
  type TransformerTrainConfig,
  training,
} from "../../lib/train/index.ts";
import { rejects, temporaryFolder } from "../io/helpers.ts";
import { SMALL_SRA, smallConfig, smallImages } from "./small.ts";

const images = smallImages();
const config = smallConfig({ steps: 4 });

/** Draws the first block's tokens to zero. */
const quiet = (change: Partial<Method> = {}): Method => ({
  name: "quiet",
  weight: 0.1,
  taps: [1],
  faults: [],
  loss: ({ features: [features] }) => tf.mean(tf.square(features)) as Tensor,
  describe: () => ({}),
  ...change,
});

const withMethods = (methods: readonly Method[]): TrainingOptions => ({
  task: { ...makeTask(config), methods },
});

test("every fault of a task's parts is named", () => {
  const fails = (options: TrainingOptions, pattern: RegExp): void =>
    void assert.throws(() => training(config, images, options), pattern);
  const { network, process } = makeTask(config);
  const sra = () => makeMethod(SMALL_SRA, { network, process });
  fails(
    withMethods([quiet({ faults: [["strength", "above 0"]] })]),
    /^task: methods\.0\.strength must be above 0$/,
  );
  fails(
    withMethods([quiet({ taps: [9] })]),
    /^task: methods\.0\.taps must be of blocks from 1 to the model's depth 2 \(one is 9\)$/,
  );
  fails(
    withMethods([sra(), sra()]),
    /^task: methods\.1\.method must be another than that of methods\.0, which has the parameter \S+ too$/,
  );
  const wide = makeTask(smallConfig({ model: { ...config.model, outChannels: 3 } })).network;
  fails(
    { task: { network: wide, process, methods: [] } },
    /^task: model\.outChannels must be 1, what the process predicts of 1 channels$/,
  );
  const arrays = { clip: [4, 5] };
  const otherArrays = { clip: [4, 6] };
  fails(
    withMethods([quiet({ arrays }), quiet({ name: "loud", arrays: otherArrays })]),
    /^task: methods\.1\.arrays must be of one shape: clip is \[4,5\] to methods\.0, and \[4,6\] here$/,
  );
  // A stream of one name would give the very numbers of the training step.
  for (const name of ["noise", "time", "latent", "class dropout", "interval 2"])
    fails(
      withMethods([quiet({ draws: { [name]: (random) => random.uniform() } })]),
      new RegExp(`^task: methods\\.0\\.draws must be named by a word .* \\(one is '${name}'\\)$`),
    );
});

test("of a config: encoders that share an array, and a turned time where there is none", () => {
  const encoders = [
    { array: "dino", width: 5 },
    { array: "dino", width: 6 },
  ];
  const repa = { method: "repa", weight: 0.5, block: 1, encoders, projectorWidth: 7 } as const;
  const fails = (change: Partial<TransformerTrainConfig>, pattern: RegExp): void =>
    void assert.throws(() => training(smallConfig(change), images), pattern);
  fails({ methods: [repa] }, /methods\.0\.encoders\.1\.width must be 5, as dino has before it, got 6/);
  fails(
    {
      model: { ...config.model, reversedTime: true },
      process: { ...DIT_PROCESS, learnSigma: false },
      methods: [],
    },
    /model\.reversedTime must be absent or false with a process in steps/,
  );
});

test("a run goes on with the parts that it was begun with, and no others", async () => {
  const task = makeTask(config);
  const own = { ...task, methods: [...task.methods, quiet()] };
  const folder = await temporaryFolder();
  for await (const { step } of training(config, images, { folder, task: own })) if (step === 2) break;
  const resume = async (options: TrainingOptions): Promise<void> => {
    for await (const _ of training(config, images, { folder, resume: true, ...options }));
  };
  await rejects(
    resume({}),
    /was trained with the methods sra, quiet; expected a task of these parts, got what its config describes$/,
  );
  const loud = { ...task, methods: [...task.methods, quiet({ name: "loud" })] };
  await rejects(resume({ task: loud }), /with the methods sra, quiet; .* got the methods sra, loud$/);
  // What a config describes can be given as a task, too.
  const plain = await temporaryFolder();
  for await (const { step } of training(config, images, { folder: plain, task })) if (step === 2) break;
  for await (const { step } of training(config, images, { folder: plain, resume: true })) assert.ok(step > 2);
  await resume({ task: own });
});

test("a network of one's own is not taken for the one that its config describes", async () => {
  const task = makeTask(config);
  const { network } = task;
  const own = { ...task, network: { ...network, name: "masked" } };
  const folder = await temporaryFolder();
  for await (const { step } of training(config, images, { folder, task: own })) if (step === 2) break;
  const message = /was trained with a network of its own, masked; expected a task of these parts/;
  await rejects(
    (async () => {
      for await (const _ of training(config, images, { folder, resume: true }));
    })(),
    message,
  );
  await rejects(loadPipeline(folder), message);

  // Methods have no part in sampling.
  const methods = await temporaryFolder();
  for await (const { step } of training(config, images, { folder: methods, ...withMethods([quiet()]) }))
    if (step === 2) break;
  const pipeline = await loadPipeline(methods);
  assert.is((await pipeline.sample({ count: 2, steps: 2 })).latents.shape[0], 2);
  await pipeline.dispose();
});

test("how a run is computed stays as it is where a method of one's own compares samples", async () => {
  const folder = await temporaryFolder();
  const task = { ...makeTask(config), methods: [quiet({ couplesSamples: true })] };
  const change = smallConfig({ steps: 4, microBatches: 4 });
  for await (const { step } of training(config, images, { folder, task })) if (step === 2) break;
  await rejects(
    (async () => {
      for await (const _ of training(change, images, { folder, task, resume: true }));
    })(),
    /with another config: microBatches was 1, got 4;/,
  );
});

test.run();
