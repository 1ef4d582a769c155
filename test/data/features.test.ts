/** An image encoder's features, beside images and in shards, and a REPA that is drawn to them. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { MethodConfig } from "../../lib/align/index.ts";
import { decodeImage, openShards, packShards, prepareFeatures } from "../../lib/data/index.ts";
import { parseNpy, toFloat64 } from "../../lib/io/index.ts";
import { until } from "../../lib/optim/index.ts";
import { train, training } from "../../lib/train/index.ts";
import { openImageEncoder } from "../../lib/vision/index.ts";
import { fixture, rejects, temporaryFolder } from "../io/helpers.ts";
import { smallConfig } from "../train/small.ts";
import { png, writeFiles } from "./images.ts";

const encoder = await openImageEncoder(fixture("dinov2"), { grid: 4 });
test.after(() => encoder.dispose());

/** Ten images of two classes. */
async function images(): Promise<string> {
  const folder = join(await temporaryFolder(), "images");
  for (let i = 0; i < 10; i++) await writeFiles(folder, { [`${i % 2}/${i}.png`]: await png(16, 16, i) });
  return folder;
}

test("each image has a file, made once; another encoder's are refused, broken images listed", async () => {
  const [source, destination] = [await images(), join(await temporaryFolder(), "features")];
  await writeFiles(source, { "1/broken.png": "no image" });
  const first = await prepareFeatures(source, destination, { encoder });
  assert.equal([first.written, first.broken.map(({ name }) => name)], [10, ["1/broken.png"]]);
  const path = join(destination, "00000/img-feature-00000007.npy");
  const stored = parseNpy(await readFile(path), path);
  assert.equal(stored.shape, [16, 24]);
  const image = await decodeImage(await readFile(join(source, "1/5.png")));
  assert.equal(toFloat64(stored), Float64Array.from(await encoder.encode([image])));
  const again = await prepareFeatures(source, destination, { encoder });
  assert.equal([again.written, again.skipped], [0, 10]);
  const other = await openImageEncoder(fixture("dinov2"), { grid: 6 });
  await rejects(prepareFeatures(source, destination, { encoder: other }), /with tokens 16, got 36/);
  await other.dispose();
  await writeFiles(source, { "1/wide.png": await png(16, 8, 1) });
  await rejects(
    prepareFeatures(source, join(await temporaryFolder(), "other"), { encoder }),
    /wide\.png has 16 x 8 pixels, expected 16 x 16/,
  );
});

test("packed with their images, they are what REPA trains with", async () => {
  const source = await images();
  const [features, shards] = [join(await temporaryFolder(), "f"), join(await temporaryFolder(), "s")];
  await prepareFeatures(source, features, { encoder });
  await packShards(source, shards, { arrays: { dinov2: features }, shardSize: 4 });
  const data = await openShards(shards);
  assert.equal(data.arrays, { dinov2: [16, 24] });
  const { indices, arrays } = await data.read(3, 0, 6);
  for (const [n, index] of indices.entries()) {
    const path = join(features, `00000/img-feature-${String(index).padStart(8, "0")}.npy`);
    const row = arrays!.dinov2.subarray(n * 384, (n + 1) * 384);
    assert.equal(Float64Array.from(row), toFloat64(parseNpy(await readFile(path), path)));
  }
  const { model } = smallConfig();
  const repa: MethodConfig = {
    ...{ method: "repa", weight: 0.5, block: 1, projectorWidth: 16 },
    encoders: [{ array: "dinov2", width: 24 }],
  };
  const config = smallConfig({
    model: { ...model, inputSize: 16, patchSize: 4, inChannels: 3 },
    methods: [repa],
    ...{ steps: 3, batchSize: 4 },
  });
  const { step } = await train(config, { folder: join(await temporaryFolder(), "run"), images: data });
  assert.is(step, 3);
  await data.close();
});

test("with attention beside features, they are what HASTE trains with", async () => {
  const source = await images();
  const folder = await temporaryFolder();
  const [features, attention, shards] = ["f", "a", "s"].map((name) => join(folder, name));
  const looking = await openImageEncoder(fixture("dinov2"), { grid: 4, attention: [1, 2] });
  await prepareFeatures(source, features, { encoder });
  await prepareFeatures(source, attention, { encoder: looking });
  const others = await openImageEncoder(fixture("dinov2"), { grid: 4, attention: [2] });
  await rejects(prepareFeatures(source, attention, { encoder: others }), /with attention "1,2", got "2"/);
  await rejects(prepareFeatures(source, attention, { encoder }), /with attention "1,2", got undefined/);
  await Promise.all([looking.dispose(), others.dispose()]);
  await packShards(source, shards, { arrays: { dinov2: features, attention } });
  const data = await openShards(shards);
  assert.equal(data.arrays, { dinov2: [16, 24], attention: [4, 3, 16, 8] });
  const { model } = smallConfig();
  const methods: MethodConfig[] = [
    {
      ...{ method: "repa", weight: until(0.5, 2), block: 2, projectorWidth: 16 },
      encoders: [{ array: "dinov2", width: 24 }],
    },
    {
      ...{ method: "attention", weight: until(0.5, 2), blocks: [2, 3], array: "attention" },
      ...{ heads: 3, headSize: 8 },
    },
  ];
  const config = smallConfig({
    model: {
      ...model,
      ...{ inputSize: 16, patchSize: 4, inChannels: 3, depth: 3, hiddenSize: 24, numHeads: 3 },
    },
    methods,
    ...{ steps: 3, batchSize: 4 },
  });
  const losses: number[] = [];
  const run = training(config, data);
  for await (const { metrics } of run) losses.push(metrics.attention);
  // A mean entropy over sixteen keys at least, before anything has been learned.
  assert.ok(losses.length === 3 && losses[0] > 1 && losses[0] < 2 * Math.log(16), `${losses}`);
  await data.close();
});

test("a folder of arrays must be whole, and of one shape", async () => {
  const source = await images();
  const features = join(await temporaryFolder(), "f");
  const abort = new AbortController();
  await prepareFeatures(source, features, { encoder, signal: abort.signal, onProgress: () => abort.abort() });
  const to = join(await temporaryFolder(), "s");
  await rejects(
    packShards(source, to, { arrays: { dinov2: features } }),
    /is unfinished; run the 'ditlab prepare'/,
  );
});

test.run();
