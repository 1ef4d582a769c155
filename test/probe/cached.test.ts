/** Features on disk, of files as of memory, and the norms of tokens. */
import { readdir, readFile, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { TrainingData } from "../../lib/data/index.ts";
import { SIT_PROCESS } from "../../lib/diffusion/index.ts";
import { removeUnused } from "../../lib/io/kept.ts";
import { makeNetwork, type Network } from "../../lib/models/index.ts";
import { storedRows } from "../../lib/probe/cached.ts";
import {
  cachedExtractor,
  featureExtractor,
  featureNorms,
  type ProbedImages,
  type ProbedSet,
  type StoredFeatures,
  tokenExtractor,
} from "../../lib/probe/index.ts";
import { type Params, randomGenerator, randomStream, type Tensor, tf } from "../../lib/tensor/index.ts";
import { rejects, temporaryFolder } from "../io/helpers.ts";
import { SMALL_MODEL } from "../models/small.ts";
import { randomParams } from "../samplers/small.ts";
import { smallImages } from "../train/small.ts";

const network = makeNetwork(SMALL_MODEL);
const params = randomParams(network, randomGenerator(1));
const images = smallImages(2050);
const OPTIONS: ProbedImages = { count: 2030, seed: 4, time: 0.3 };

/** Features by way of a folder, whether the network was run for them, and what was told on the way. */
async function extracted(
  folder: string,
  change: { options?: Partial<ProbedImages>; params?: Params; images?: ProbedSet; blocks?: number[] } = {},
): Promise<{ features: StoredFeatures; computed: boolean; told: number[] }> {
  const { blocks } = change;
  let computed = false;
  const watched: Network = {
    ...network,
    features(...args) {
      computed = true;
      return network.features(...args);
    },
  };
  const extractor = cachedExtractor(watched, SIT_PROCESS, { identity: SMALL_MODEL, blocks, folder });
  const told: number[] = [];
  const features = await extractor.extract(change.params ?? params, change.images ?? images, {
    ...OPTIONS,
    ...change.options,
    onProgress: (done) => void told.push(done),
  } as ProbedImages);
  await extractor.dispose();
  return { features, computed, told };
}

const rowsOf = async ({ blocks, count, width, read }: StoredFeatures): Promise<Float32Array> => {
  const all = new Float32Array(blocks * count * width);
  const every = Int32Array.from({ length: count }, (_, i) => i);
  for (let block = 0; block < blocks; block++)
    await read(block, every, all.subarray(block * count * width, (block + 1) * count * width));
  return all;
};

test("features are computed once for what decides them, and are those of memory", async () => {
  const folder = await temporaryFolder();
  const before = tf.memory().numTensors;
  const plain = featureExtractor(network, SIT_PROCESS);
  const expected = await plain.extract(params, images, OPTIONS);
  await plain.dispose();
  const first = await extracted(folder);
  assert.is(tf.memory().numTensors, before);
  assert.equal([first.computed, first.told.length, first.told.at(-1)], [true, 21, 2030]);
  assert.equal(await rowsOf(first.features), expected.data);
  assert.equal(first.features.labels, expected.labels);
  assert.equal([...expected.labels.subarray(0, 4)], [0, 1, 0, 1]);
  // Two parts of images, two blocks.
  assert.is((await readdir(folder)).length, 4);
  const again = await extracted(folder, { images: { ...images } });
  assert.equal(await rowsOf(again.features), expected.data);
  assert.equal(again.features.labels, expected.labels);
  assert.equal([again.computed, again.told], [false, [2000, 2030]]);
  const some = new Float32Array(3 * 16);
  await again.features.read(1, [2029, 3, 2000], some);
  [2029, 3, 2000].forEach((image, i) => {
    const from = (2030 + image) * 16;
    assert.equal(some.subarray(i * 16, (i + 1) * 16), expected.data.subarray(from, from + 16));
  });
});

test("of features that do not fit into memory, rows are read from their files", async () => {
  const folder = await temporaryFolder();
  const { features } = await extracted(folder, { options: { count: 40 }, blocks: [2] });
  const [name] = await readdir(folder);
  const { blocks, count, width } = features;
  const parts = [[{ path: join(folder, name), key: "", count }]];
  const far = storedRows({ blocks, count, width }, parts, undefined);
  const [got, expected] = [0, 1].map(() => new Float32Array(3 * width));
  await far.read(0, [39, 0, 17], got);
  await features.read(0, [39, 0, 17], expected);
  assert.equal(got, expected);
  assert.ok(got.some((value) => value !== 0));
  await rejects(far.read(0, [40], got), /Tensor "features" of .* has 40 rows, got row 40/);
});

test("other weights, images, times, seeds and blocks are other features", async () => {
  const folder = await temporaryFolder();
  const count = 40;
  await extracted(folder, { options: { count } });
  const files = async (): Promise<number> => (await readdir(folder)).length;
  assert.is(await files(), 2);
  await extracted(folder, { options: { count } });
  await extracted(folder, { options: { count }, blocks: [2] });
  assert.is(await files(), 2, "each block has a file of its own");
  let expected = 2;
  for (const change of [
    { options: { count, time: 0.4 } },
    { options: { count, seed: 5 } },
    { options: { count: 41 } },
    { options: { count }, images: smallImages(50) },
    { options: { count }, params: randomParams(network, randomGenerator(2)) },
  ]) {
    await extracted(folder, change as Parameters<typeof extracted>[1]);
    expected += 2;
    assert.is(await files(), expected, JSON.stringify(change.options));
  }
  const heads = { ...SMALL_MODEL, numHeads: 4 };
  const other = cachedExtractor(makeNetwork(heads), SIT_PROCESS, { identity: heads, folder });
  await other.extract(params, images, { ...OPTIONS, count });
  await other.dispose();
  assert.is(await files(), expected + 2, "the same parameters in another network");
});

test("a file that is cut off, changed or not ours is made anew, and nothing else is touched", async () => {
  const folder = await temporaryFolder();
  const options = { count: 40 };
  const whole = await rowsOf((await extracted(folder, { options })).features);
  const [one, two] = (await readdir(folder)).map((name) => join(folder, name));
  const [good, other] = [await readFile(one), await readFile(two)];
  await writeFile(join(folder, "notes.txt"), "mine");
  await writeFile(join(folder, `${"0".repeat(64)}.safetensors.1-2.tmp`), "half of one");
  const changed = Buffer.from(good);
  changed[changed.length - 200] ^= 1;
  for (const [what, spoil] of [
    ["cut off", () => truncate(one, good.length - 3)],
    ["empty", () => writeFile(one, "")],
    ["one bit", () => writeFile(one, changed)],
    ["another's", () => writeFile(one, other)],
    ["a text", () => writeFile(one, "a text")],
  ] as const) {
    await spoil();
    assert.not.equal(await readFile(one), good, what);
    const { features } = await extracted(folder, { options });
    assert.equal(await rowsOf(features), whole, what);
    assert.equal(await readFile(one), good, what);
    assert.equal(await readFile(two), other);
  }
  assert.is(await readFile(join(folder, "notes.txt"), "utf8"), "mine");
  assert.is((await readdir(folder)).length, 4);
});

test("what nobody used for two weeks goes, by its name alone", async () => {
  const folder = await temporaryFolder();
  await extracted(folder, { options: { count: 10 } });
  const [old, young] = await readdir(folder);
  await writeFile(join(folder, "weights.safetensors"), "");
  const long = new Date(Date.now() - 15 * 24 * 3_600_000);
  for (const name of [old, "weights.safetensors"]) await utimes(join(folder, name), long, long);
  await removeUnused(folder);
  assert.equal((await readdir(folder)).sort(), [young, "weights.safetensors"].sort());
  // A use counts.
  await utimes(join(folder, young), long, long);
  await extracted(folder, { options: { count: 10 } });
  assert.ok((await stat(join(folder, young))).mtimeMs > long.getTime() + 1000);
});

test("a run that is cut off keeps whole parts", async () => {
  const folder = await temporaryFolder();
  const controller = new AbortController();
  const extractor = cachedExtractor(network, SIT_PROCESS, { identity: SMALL_MODEL, folder });
  const stopped = extractor.extract(params, images, {
    ...OPTIONS,
    signal: controller.signal,
    onProgress: (done) => done === 2000 && controller.abort(new Error("stopped")),
  });
  await rejects(stopped, /^stopped$/);
  await extractor.dispose();
  assert.is((await readdir(folder)).length, 2);
  const { told, computed } = await extracted(folder);
  assert.equal([computed, told], [true, [2000, 2030]]);
});

/** Latents of two channels, means 10 i + 1 and deviations of 0.5, in an order of their own. */
function latents(count: number): TrainingData {
  const order = (i: number): number => (i * 7) % count;
  return {
    name: "latents",
    count,
    shape: [1, 8, 8],
    scale: 0.5,
    classes: 3,
    async read(_, position, size) {
      const numbers = Array.from({ length: size }, (_, i) => order(position + i));
      const values = Float32Array.from({ length: size * 128 }, (_, n) =>
        n % 128 < 64 ? numbers[Math.floor(n / 128)] / 10 : 0.5,
      );
      return { values, labels: numbers.map((n) => n % 3), indices: numbers };
    },
    fingerprint: async () => `latents ${count}`,
    async close() {},
  };
}

/** A network that shows its input: a token for each of the first 16 pixels, noise and all. */
const mirror = {
  ...network,
  features: (_: Params, x: Tensor) => [
    tf.tile(tf.reshape(tf.slice(x, [0, 0, 0, 0], [-1, 1, 2, 8]), [-1, 1, 16]), [1, 4, 1]),
  ],
} as Network;

test("training data are read in the order of the seed, and latents are drawn", async () => {
  const data = latents(10);
  const extractor = featureExtractor(mirror, SIT_PROCESS, [1]);
  const given = await extractor.extract({}, data, { count: 10, seed: 6, time: 0 });
  await extractor.dispose();
  assert.equal(
    [...given.labels],
    Array.from({ length: 10 }, (_, i) => ((i * 7) % 10) % 3),
  );
  for (let i = 0; i < 10; i++) {
    const draws = randomStream(6, "probe latent", i).normals(64);
    for (let j = 0; j < 16; j++) {
      const expected = (((i * 7) % 10) / 10 + 0.5 * draws[j]) * 0.5;
      assert.ok(Math.abs(given.data[i * 16 + j] - expected) < 1e-6);
    }
  }
  const folder = await temporaryFolder();
  const cached = cachedExtractor(network, SIT_PROCESS, { identity: SMALL_MODEL, folder });
  const { fingerprint: _, ...nameless } = data;
  await rejects(
    cached.extract(params, nameless, { count: 10, seed: 6, time: 0 }),
    /the images do not say what they are/,
  );
  await rejects(
    cached.extract(params, { ...data, shape: [4, 8, 8] }, { count: 10, seed: 6, time: 0 }),
    /images are 4x8x8, but the model expects 1x8x8/,
  );
  await cached.dispose();
});

test("norms are those of every token, with their spread", async () => {
  const [norms, tokens] = [featureNorms(network, SIT_PROCESS), tokenExtractor(network, SIT_PROCESS, 2)];
  const options = { count: 130, seed: 1, time: 0.2 };
  const { mean, deviation, largest } = await norms.extract(params, images, options);
  const { data, width } = await tokens.extract(params, images, options);
  await Promise.all([norms.dispose(), tokens.dispose()]);
  const each = Array.from({ length: data.length / width }, (_, i) =>
    Math.hypot(...data.subarray(i * width, (i + 1) * width)),
  );
  const average = each.reduce((sum, norm) => sum + norm) / each.length;
  const spread = Math.sqrt(each.reduce((sum, norm) => sum + (norm - average) ** 2, 0) / each.length);
  assert.equal([mean.length, deviation.length, largest.length], [2, 2, 2]);
  for (const [got, expected] of [
    [mean[1], average],
    [deviation[1], spread],
    [largest[1], Math.max(...each)],
  ])
    assert.ok(Math.abs(got - expected) < 1e-4 * expected, `${got} and ${expected}`);
  assert.ok(mean[0] !== mean[1] && spread > 0.01 * average);
});

test("blocks that there are not, or that come twice, are refused", () => {
  for (const [blocks, message] of [
    [[0], /block must be an integer from 1 to the depth 2, got 0/],
    [[1, 3], /got 3/],
    [[1, 1], /blocks must be one or more, each once, got \[1,1\]/],
    [[], /each once, got \[\]/],
  ] as const)
    for (const make of [featureExtractor, featureNorms])
      assert.throws(() => make(network, SIT_PROCESS, blocks), message);
});

test.run();
