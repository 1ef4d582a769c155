/** Training as an iterator: in memory and in a run folder, stopped anywhere, the same weights. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { arrayRows, imageSetData, withArrays } from "../../lib/data/index.ts";
import { ndarray } from "../../lib/io/index.ts";
import { flattenTree, type Params, randomGenerator, type Tensor, tf } from "../../lib/tensor/index.ts";
import { latestCheckpoint, makeTask, type TrainState, training } from "../../lib/train/index.ts";
import { rejects, temporaryFolder } from "../io/helpers.ts";
import { SMALL_SRA, smallConfig, smallImages } from "./small.ts";

const images = smallImages();
const config = smallConfig();
const numbers = (state: TrainState): number[][] =>
  flattenTree(state).map(({ tensor }) => Array.from(tensor.dataSync()));

/** The weights of a run that nothing stopped. */
async function whole(): Promise<number[][]> {
  const run = training(config, images);
  for await (const _ of run);
  return numbers(run.state);
}

test("in memory: every step is seen, and leaving the loop loses nothing", async () => {
  const run = training(config, images);
  const before = numbers(run.state);
  const seen: number[] = [];
  for await (const { step, steps, metrics, state } of run) {
    seen.push(step);
    assert.equal([steps, run.length], [12, 12 - step]);
    assert.equal(Object.keys(metrics), ["generative", "sra", "gradientNorm"]);
    assert.is(state, run.state);
    assert.not.equal(numbers(state), before);
    if (step === 5) break;
  }
  assert.equal([run.step, run.checkpoint], [5, undefined]);
  // An error in the loop leaves it as a break does.
  await rejects(
    (async () => {
      for await (const { step } of run) {
        seen.push(step);
        if (step === 8) throw new Error("the loop's own");
      }
    })(),
    /^the loop's own$/,
  );
  for await (const { step } of run) seen.push(step);
  assert.equal(
    seen,
    Array.from({ length: 12 }, (_, i) => i + 1),
  );
  assert.equal(numbers(run.state), await whole());
  for await (const _ of run) assert.unreachable("it is done");
});

test("in a folder: what was left is saved, and another process goes on from there", async () => {
  const folder = await temporaryFolder();
  const run = training(config, images, { folder });
  assert.throws(
    () => run.state,
    /^the training in .* has not begun; its state is there with the first step$/,
  );
  for await (const { step } of run) if (step === 7) break;
  const found = await latestCheckpoint(join(folder, "checkpoints"));
  assert.equal([found?.checkpoint.step, found?.path], [7, run.checkpoint]);
  const later = training(config, images, { folder, resume: true });
  const seen: number[] = [];
  for await (const { step } of later) seen.push(step);
  assert.equal(seen, [8, 9, 10, 11, 12]);
  assert.equal(numbers(later.state), await whole());
  // The run that was left is behind now: it goes on from what the folder holds.
  for await (const _ of run) assert.unreachable("it is done");
  assert.is(run.step, 12);
});

test("in memory nothing is written, and nothing stays behind but the state", async () => {
  const before = tf.memory().numTensors;
  const run = training(smallConfig({ steps: 3 }), images);
  for await (const _ of run);
  assert.is(tf.memory().numTensors - before, flattenTree(run.state).length);
});

test("one loop at a time; promises say that they are to finish", async () => {
  const run = training(config, images);
  const steps = run[Symbol.asyncIterator]();
  const first = steps.next();
  assert.is((first as unknown as Record<symbol, unknown>)[Symbol.for("Jupyter.finish")], true);
  await first;
  await rejects(run[Symbol.asyncIterator]().next(), /under way in another loop/);
  const left = steps.return!();
  assert.is((left as unknown as Record<symbol, unknown>)[Symbol.for("Jupyter.finish")], true);
  await left;
  assert.is((await run[Symbol.asyncIterator]().next()).value.step, 2);
});

test("a method of one's own trains beside those of the config", async () => {
  const task = makeTask(config);
  // Draws the outputs of the first block to zero, with a scale of its own that no average carries.
  const own = {
    name: "quiet",
    weight: 0.1,
    taps: [1],
    faults: [],
    parameters: {
      shapes: { "quiet.scale": [1] },
      init: () => ({ "quiet.scale": tf.ones([1]) }),
      averaged: false,
    },
    loss: ({ params, features: [features] }: { params: Params; features: readonly Tensor[] }) =>
      tf.mean(tf.square(tf.mul(features, params["quiet.scale"]))) as Tensor,
    describe: () => ({}),
  };
  const folder = await temporaryFolder();
  const run = training(config, images, { folder, task: { ...task, methods: [...task.methods, own] } });
  for await (const { step, metrics } of run) {
    assert.equal(Object.keys(metrics), ["generative", "sra", "quiet", "gradientNorm"]);
    if (step === 2) break;
  }
  assert.ok("quiet.scale" in run.state.params && "quiet.scale" in run.state.optimizer.first);
  assert.not("quiet.scale" in run.state.ema);
  const [scale] = run.state.params["quiet.scale"].dataSync();
  assert.not.equal(scale, 1);
  const later = training(config, images, { folder, resume: true, task: run.task });
  for await (const { step } of later) if (step === 3) break;
  assert.not.equal(later.state.params["quiet.scale"].dataSync()[0], scale);
  assert.ok(later.state.optimizer.first["quiet.scale"].dataSync()[0] !== 0);
});

test("REPA on given features, which travel with the images", async () => {
  const methods = [
    {
      method: "repa",
      weight: 0.5,
      block: 1,
      encoders: [{ array: "dinov2", width: 5 }],
      projectorWidth: 7,
    } as const,
  ];
  const repa = smallConfig({
    methods: methods.map((method) => ({ ...method, encoders: [...method.encoders] })),
  });
  assert.throws(
    () => training(repa, images),
    /^training images need the array 'dinov2' with \[4,5\] numbers for each image, got none$/,
  );
  const features = ndarray(randomGenerator(1).normals(50 * 20), [50, 4, 5]);
  const data = withArrays(imageSetData(images), { dinov2: arrayRows("features", features) });
  const folder = await temporaryFolder();
  const run = training(repa, data, { folder });
  const seen: number[] = [];
  for await (const { metrics } of run) seen.push(metrics.repa);
  assert.ok(seen[11] < seen[0] - 0.05, `${seen}`);
  assert.ok("projectors.0.4.weight" in run.state.params && "projectors.0.4.weight" in run.state.ema);
  // Other features are other data.
  const others = withArrays(imageSetData(images), {
    dinov2: arrayRows("features", ndarray(randomGenerator(2).normals(50 * 20), [50, 4, 5])),
  });
  await rejects(
    (async () => {
      for await (const _ of training(repa, others, { folder, resume: true }));
    })(),
    /with other data/,
  );
});

test("what is unfit is refused at once, before a folder is touched", async () => {
  const folder = await temporaryFolder();
  assert.throws(() => training(smallConfig({ batchSize: 0 }), images, { folder }), /batchSize must be/);
  assert.throws(
    () => training({ ...config, methods: [{ ...SMALL_SRA, studentBlock: 9 }] }, images, { folder }),
    /methods\.0\.studentBlock/,
  );
  assert.equal(await readdir(folder), []);
});

test.run();
