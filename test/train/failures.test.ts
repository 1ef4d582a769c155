/** What goes wrong within a run loses nothing that was done before. */
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { imageSetData, type TrainingData } from "../../lib/data/index.ts";
import { readJsonLines } from "../../lib/io/index.ts";
import { flattenTree, tf } from "../../lib/tensor/index.ts";
import {
  latestCheckpoint,
  type TrainConfig,
  type TrainState,
  train,
  training,
} from "../../lib/train/index.ts";
import { rejects, temporaryFolder } from "../io/helpers.ts";
import { smallConfig, smallImages } from "./small.ts";

const images = smallImages();
const numbers = (state: TrainState): number[][] =>
  flattenTree(state).map(({ tensor }) => Array.from(tensor.dataSync()));

async function whole(config: TrainConfig): Promise<number[][]> {
  const run = training(config, images);
  for await (const _ of run);
  return numbers(run.state);
}

/** Data of which one step fails to be read, or is told a wrong label, the first time. */
function failingAt(step: number, label?: number): TrainingData {
  const data = imageSetData(images);
  let failed = false;
  return {
    ...data,
    async read(seed, start, count, streams) {
      const examples = await data.read(seed, start, count, streams);
      if (failed || start !== step * count) return examples;
      failed = true;
      if (label === undefined) throw new Error("the disk is gone");
      return { ...examples, labels: examples.labels.map(() => label) };
    },
  };
}

const through = async (run: AsyncIterable<unknown>): Promise<void> => {
  for await (const _ of run);
};

for (const accumulate of [1, 2])
  test(`examples that cannot be read lose no step before them (accumulate ${accumulate})`, async () => {
    const config = smallConfig({ checkpointEvery: 100, accumulate });
    const folder = await temporaryFolder();
    const inFolder = training(config, failingAt(6), { folder });
    await rejects(through(inFolder), /^the disk is gone$/);
    assert.is((await latestCheckpoint(join(folder, "checkpoints")))?.checkpoint.step, 6);
    await through(inFolder);
    assert.equal(numbers(inFolder.state), await whole(config));

    const inMemory = training(config, failingAt(6));
    await rejects(through(inMemory), /^the disk is gone$/);
    assert.is(inMemory.step, 6);
    await through(inMemory);
    assert.equal(numbers(inMemory.state), await whole(config));
  });

test("a label that the model does not have is named before anything is computed", async () => {
  const config = smallConfig();
  const run = training(config, failingAt(2, 5));
  await rejects(through(run), /^training images have the label 5; expected 0 to 1, as the model has it$/);
  await through(run);
  assert.equal(numbers(run.state), await whole(config));
});

test("a first step that fails leaves no checkpoint, so that a run can begin in its folder", async () => {
  const folder = await temporaryFolder();
  await rejects(through(training(smallConfig(), failingAt(0), { folder })), /^the disk is gone$/);
  assert.is(await latestCheckpoint(join(folder, "checkpoints")), undefined);
  await through(training(smallConfig({ steps: 1 }), images, { folder }));
});

test("a run in memory that diverged says so instead of going on; one in a folder goes back", async () => {
  const config = smallConfig({
    learningRate: { from: 1e-3, to: 1e30, steps: 1, start: 5, shape: "linear" },
    maxGradientNorm: 0,
    checkpointEvery: 2,
  });
  const run = training(config, images);
  await rejects(through(run), /^training diverged at step \d+: .*none yet$/);
  const at = run.step;
  await rejects(through(run), /^this training has no state to go on from: training diverged at step/);
  assert.is(run.step, at);

  const folder = await temporaryFolder();
  const kept = training(config, images, { folder });
  await rejects(through(kept), /^training diverged at step/);
  const { checkpoint } = (await latestCheckpoint(join(folder, "checkpoints")))!;
  assert.is(checkpoint.step, 6);
  for (const { tensor } of flattenTree(checkpoint.state)) assert.ok(tensor.dataSync().every(Number.isFinite));
});

test("an evaluation that fails loses no step, and is made again", async () => {
  const config = smallConfig({ checkpointEvery: 10 });
  const folder = await temporaryFolder();
  const evaluateAt = [4, 12];
  const failing = (_: TrainState, step: number): void => {
    if (step === 12) throw new Error("no evaluation");
  };
  const options = { folder, images, evaluateAt };
  await rejects(train(config, { ...options, onEvaluate: failing }), /^no evaluation$/);
  assert.is((await latestCheckpoint(join(folder, "checkpoints")))?.checkpoint.step, 12);
  const evaluated: number[] = [];
  const onEvaluate = (_: TrainState, step: number): void => void evaluated.push(step);
  await train(config, { ...options, resume: true, onEvaluate });
  assert.equal(evaluated, [12]);

  // Within one process it is known which were made.
  const seen: number[] = [];
  const run = training(config, images, {
    evaluateAt,
    onEvaluate: (_, step) => void seen.push(step),
  });
  for await (const { step } of run) if (step === 4) break;
  assert.equal(seen, []);
  for await (const { step } of run) if (step === 5) break;
  await through(run);
  assert.equal(seen, [4, 12]);
});

test("a stop that comes with the last step still leaves its evaluation", async () => {
  const stop = new AbortController();
  const evaluated: number[] = [];
  await train(smallConfig({ steps: 3 }), {
    folder: await temporaryFolder(),
    images,
    signal: stop.signal,
    evaluateAt: [3],
    onProgress: ({ step }) => step === 3 && stop.abort(),
    onEvaluate: (_, step) => void evaluated.push(step),
  });
  assert.equal(evaluated, [3]);
});

test("lines of the log are means over the same steps, however often a run was stopped", async () => {
  const config = smallConfig({ logEvery: 4 });
  const [once, stopped] = [await temporaryFolder(), await temporaryFolder()];
  await through(training(config, images, { folder: once }));
  const run = training(config, images, { folder: stopped });
  for (const at of [3, 6, 7]) for await (const { step } of run) if (step === at) break;
  await through(training(config, images, { folder: stopped, resume: true }));
  const lines = async (folder: string) =>
    (await readJsonLines<Record<string, number>>(join(folder, "metrics.jsonl"))).map(
      ({ stepSeconds: _, ...line }) => line,
    );
  assert.equal(await lines(stopped), await lines(once));
  assert.is((await lines(once)).length, 3);
});

test("what is left of a run is known before it begins", async () => {
  const folder = await temporaryFolder();
  for await (const { step } of training(smallConfig(), images, { folder })) if (step === 8) break;
  const again = training(smallConfig(), images, { folder, resume: true });
  assert.equal([again.step, again.length], [8, 4]);
  assert.is(training(smallConfig({ steps: 5 }), images, { folder, resume: true }).length, 0);
});

test("looping again over a run in a folder leaves one state behind", async () => {
  const folder = await temporaryFolder();
  const before = tf.memory().numTensors;
  const run = training(smallConfig(), images, { folder });
  for (const at of [2, 4, 6]) for await (const { step } of run) if (step === at) break;
  assert.is(tf.memory().numTensors - before, flattenTree(run.state).length);
});

test.run();
