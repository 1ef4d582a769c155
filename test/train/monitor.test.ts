/** What a run's monitor sees, beside the same computed by hand, and when it warns. */
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { asTrainingData } from "../../lib/data/index.ts";
import { readJsonLines } from "../../lib/io/index.ts";
import { type Tensor, tf } from "../../lib/tensor/index.ts";
import {
  batchSource,
  createMonitor,
  growthWatch,
  type LogEntry,
  type MonitorEntry,
  makeTask,
  targetsOf,
  toldCondition,
  train,
  training,
} from "../../lib/train/index.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { smallConfig, smallImages } from "./small.ts";

const images = smallImages();
const near = (actual: number, expected: number, what: string): void =>
  assert.ok(
    Math.abs(actual - expected) <= 1e-4 * Math.abs(expected) + 1e-6,
    `${what}: ${actual}, ${expected}`,
  );

const lengthOf = (row: number[]): number => Math.hypot(...row);
const cosineOf = (a: number[], b: number[]): number =>
  a.reduce((sum, value, i) => sum + value * b[i], 0) / (lengthOf(a) * lengthOf(b));
const rows = (tokens: Tensor): number[][] =>
  tf.reshape(tokens, [-1, tokens.shape[2]!]).arraySync() as number[][];
const mean = (values: number[]): number => values.reduce((a, b) => a + b) / values.length;

test("lengths, similarities and shares are those of the first samples, by hand", async () => {
  const config = smallConfig({ batchSize: 10 });
  const task = makeTask(config);
  const run = training(config, images);
  for await (const { step } of run) if (step === 3) break;
  const { params, ema } = run.state;
  const monitor = createMonitor(task, config, asTrainingData(images));
  const metrics = { generative: 0.8, sra: 0.5, gradientNorm: 1 };
  const seen = await monitor.look(3, run.state, metrics);

  const batch = await batchSource(images, { ...config, batchSize: 8 }, { task })(0);
  const taps = Array.from({ length: task.network.depth }, (_, i) => i + 1);
  const input = task.process.noised(batch);
  const condition = toldCondition(task.network, batch, params);
  const [[target]] = targetsOf(task, ema, batch);
  for (const [weights, norms] of [
    [params, seen.studentNorms],
    [{ ...params, ...ema }, seen.averageNorms],
  ] as const) {
    const features = task.network.features(weights, input, batch.t, condition, { taps });
    assert.is(norms.length, taps.length);
    for (const [i, tokens] of features.entries()) {
      near(norms[i], mean(rows(tokens).map(lengthOf)), `length ${i}`);
      if (weights !== params) continue;
      const cosines = rows(tokens).map((row, j) => cosineOf(row, rows(target)[j]));
      near(seen.similarity.sra[i], mean(cosines), `similarity ${i}`);
    }
  }
  near(seen.shares.sra, (0.2 * 0.5) / (0.8 + 0.2 * 0.5), "share");
  await monitor.dispose();
});

test("every run in a folder has a line for each of its metrics, also after it was resumed", async () => {
  const [whole, parts] = [await temporaryFolder(), await temporaryFolder()];
  const config = smallConfig({ logEvery: 2 });
  await train(config, { folder: whole, images });
  const run = training(config, images, { folder: parts });
  for await (const { step } of run) if (step === 7) break;
  await train(config, { folder: parts, images, resume: true });
  const read = (folder: string) => readJsonLines<MonitorEntry>(join(folder, "monitor.jsonl"));
  const entries = await read(whole);
  const steps = (await readJsonLines<LogEntry>(join(whole, "metrics.jsonl"))).map(({ step }) => step);
  assert.equal(
    entries.map(({ step }) => step),
    steps,
  );
  assert.equal(await read(parts), entries);
  assert.ok(entries[0].studentNorms[0] !== entries[5].studentNorms[0]);
});

test("a run without a method has lengths alone", async () => {
  const folder = await temporaryFolder();
  await train(smallConfig({ methods: [], steps: 2 }), { folder, images });
  const [entry] = await readJsonLines<MonitorEntry>(join(folder, "monitor.jsonl"));
  assert.equal([entry.similarity, entry.shares], [{}, {}]);
});

test("a loss that grows for good is told once, in a sentence", () => {
  const task = makeTask(smallConfig());
  const said = (losses: number[]): string[] => {
    const watch = growthWatch(task);
    return losses.flatMap((sra, i) =>
      watch(
        { generative: 1, sra, gradientNorm: 1 },
        {
          ...{
            step: 100 * (i + 1),
            studentNorms: [10 + i, 99],
            averageNorms: [],
            similarity: {},
            shares: {},
          },
        },
      ),
    );
  };
  const falling = Array.from({ length: 30 }, (_, i) => 1 / (1 + i));
  assert.equal(said(falling), []);
  assert.equal(said([...falling.slice(0, 20), 3, ...falling.slice(20)]), [], "one jump is no growth");
  // As in a run of the demo: lowest at step 2,300, half as much again at 3,600, and falling from there.
  const bump = Array.from(
    { length: 60 },
    (_, i) => 0.012 + 0.4 / (1 + i) ** 2 + 0.008 * Math.exp(-(((i - 36) / 6) ** 2)),
  );
  assert.equal(said(bump), [], "what rises early falls again");
  const growing = Array.from({ length: 60 }, (_, i) => 0.2 + 0.0005 * (i - 20) ** 2);
  const [sentence, ...others] = said(growing);
  assert.equal(others, []);
  assert.match(
    sentence,
    /^the loss of sra grows: 0\.20\d at step 2\d00, 0\.\d+ at step \d+, while a token of block 1 went from a length of 3\d\.\d to \d\d\.\d; .*sra-cosine/,
  );
  // A loss that is to become negative has no lowest that a ratio would say something of.
  assert.equal(said(growing.map((loss) => loss - 2)), []);
});

test.run();
