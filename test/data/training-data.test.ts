/** What training reads of files: images, latents in the reference's layout, shards. */
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  centerCrop,
  decodeImage,
  type Examples,
  openTrainingData,
  packShards,
  prepareImages,
  prepareLatents,
  type TrainingData,
} from "../../lib/data/index.ts";
import { formatNpy, ndarray, readSafetensors } from "../../lib/io/index.ts";
import { streams01 } from "../../lib/tensor/random.ts";
import { batchSource, train } from "../../lib/train/index.ts";
import { parseVAEConfig, readVAE } from "../../lib/vae/index.ts";
import { fixture, rejects, temporaryFolder } from "../io/helpers.ts";
import { smallConfig } from "../train/small.ts";
import { png, writeFiles } from "./images.ts";

const [CHANNELS, SIDE] = [4, 4];
const SIZE = CHANNELS * SIDE * SIDE;
const options = { inputSize: SIDE };

/** Latents of `count` examples whose mean is their number; deviations are `std`. Labels are the number modulo 2. */
async function latents(count: number, std = 0, shape = [2 * CHANNELS, SIDE, SIDE]): Promise<string> {
  const folder = await temporaryFolder();
  const names = Array.from(
    { length: count },
    (_, i) => `00000/img-mean-std-${String(i).padStart(8, "0")}.npy`,
  );
  for (const [i, name] of names.entries()) {
    const values = Float32Array.from({ length: 2 * SIZE }, (_, at) => (at < SIZE ? i : std));
    await writeFiles(folder, { [name]: formatNpy(ndarray(values, shape)) });
  }
  const labels = names.map((name, i) => [name, i % 2]);
  await writeFiles(folder, { "dataset.json": JSON.stringify({ labels }) });
  return folder;
}

/** The numbers of the examples. */
const numbers = ({ values }: Examples): number[] =>
  Array.from({ length: values.length / (2 * SIZE) }, (_, i) => values[i * 2 * SIZE]);
const sorted = (values: number[]): number[] => values.toSorted((a, b) => a - b);
const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

async function checkEpochs(data: TrainingData, count: number): Promise<void> {
  const all = await data.read(5, 0, 3 * count);
  const order = numbers(all);
  assert.equal(
    all.labels,
    order.map((i) => i % 2),
  );
  const epochs = [0, 1, 2].map((epoch) => order.slice(epoch * count, (epoch + 1) * count));
  for (const epoch of epochs) assert.equal(sorted(epoch), range(count));
  assert.not.equal(epochs[0], epochs[1]);
  assert.not.equal(epochs[0], range(count));
  assert.not.equal(numbers(await data.read(6, 0, count)), epochs[0]);
  // From anywhere, in steps of any size, also across epochs.
  for (const step of [1, 3, 7]) {
    const again: number[] = [];
    for (let at = 2; at + step <= 3 * count; at += step) again.push(...numbers(await data.read(5, at, step)));
    assert.equal(again, order.slice(2, 2 + again.length), `steps of ${step}`);
  }
}

test("a folder of latents gives every example once an epoch, in orders that resume anywhere", async () => {
  const folder = await latents(23);
  const data = await openTrainingData(folder, options);
  assert.equal([data.count, data.shape, data.scale, data.classes], [23, [CHANNELS, SIDE, SIDE], 0.18215, 2]);
  await checkEpochs(data, 23);
  await data.close();
});

test("so do shards, whatever the memory", async () => {
  const [folder, shards] = [await latents(23), await temporaryFolder()];
  const packed = await packShards(folder, shards, { shardSize: 4 });
  assert.equal(packed, { count: 23, written: 23, skipped: 0, broken: [], others: [], finished: true });
  const bytes = 4 * 2 * SIZE * 4;
  for (const memory of [1, 4 * bytes, 100 * bytes]) {
    const data = await openTrainingData(shards, { ...options, memory });
    assert.equal(
      [data.count, data.shape, data.scale, data.classes],
      [23, [CHANNELS, SIDE, SIDE], 0.18215, 2],
    );
    await checkEpochs(data, 23);
    await data.close();
  }
  const { tensors } = await readSafetensors(join(shards, "shard-00000.safetensors"));
  const first = range(4).map((i) => Number(tensors.moments.data[i * 2 * SIZE]));
  assert.not.equal(sorted(first), range(4), "neighbours are apart");
});

test("packing goes on where it was stopped", async () => {
  const [folder, shards, whole] = [await latents(10), await temporaryFolder(), await temporaryFolder()];
  const controller = new AbortController();
  const stopped = await packShards(folder, shards, {
    shardSize: 3,
    signal: controller.signal,
    onProgress: () => controller.abort(),
  });
  assert.equal([stopped.written, stopped.finished], [3, false]);
  await rejects(
    openTrainingData(shards, options),
    /is unfinished; run the 'ditlab prepare' that began it again/,
  );
  assert.equal(await packShards(folder, shards, { shardSize: 3 }), {
    count: 10,
    written: 7,
    skipped: 3,
    broken: [],
    others: [],
    finished: true,
  });
  await packShards(folder, whole, { shardSize: 3 });
  for (const name of await readdir(whole))
    assert.equal(await readFile(join(shards, name)), await readFile(join(whole, name)), name);
  await rejects(packShards(folder, shards, { shardSize: 4 }), /was prepared with shardSize 3, got 4/);
});

test("shards that ditlab 0.1 began to pack, or a run of its that reads them, keep their order", async () => {
  const text = await readFile(new URL("../fixtures/run-0.1/draws.json", import.meta.url), "utf8");
  const recorded: { packed: number[]; shardOrder: number[] } = JSON.parse(text);
  const [folder, shards] = [await latents(24), await temporaryFolder()];
  const pack = (): Promise<unknown> => packShards(folder, shards, { shardSize: 4 });
  const contents = async (): Promise<number[]> => {
    const packed: number[] = [];
    for (const name of (await readdir(shards)).filter((name) => name.startsWith("shard")).sort()) {
      const { tensors } = await readSafetensors(join(shards, name));
      packed.push(...range(4).map((i) => tensors.moments.data[i * 2 * SIZE] as number));
    }
    return packed;
  };
  await pack();
  assert.not.equal(await contents(), recorded.packed);
  const read = await (await openTrainingData(shards, { ...options, memory: 8192 })).read(5, 0, 48, streams01);
  const places = new Map((await contents()).map((value, i) => [value, i]));
  assert.equal(
    numbers(read).map((value) => places.get(value)),
    recorded.shardOrder,
  );

  const path = join(shards, "prepare.json");
  const { order, ...description } = JSON.parse(await readFile(path, "utf8"));
  assert.is(order, "stream");
  await writeFile(path, JSON.stringify(description));
  for (const name of (await readdir(shards)).filter((name) => name.startsWith("shard")))
    await rm(join(shards, name));
  await pack();
  assert.equal(await contents(), recorded.packed);
});

test("only the shards at hand are read, and a missing one is named", async () => {
  const [folder, shards] = [await latents(24), await temporaryFolder()];
  await packShards(folder, shards, { shardSize: 4 });
  const open = () => openTrainingData(shards, { ...options, memory: 1 });
  const order = numbers(await (await open()).read(1, 0, 24));
  const last = order[23];
  for (const name of (await readdir(shards)).filter((name) => name.startsWith("shard"))) {
    const { tensors } = await readSafetensors(join(shards, name));
    if (range(4).some((i) => tensors.moments.data[i * 2 * SIZE] === last)) await rm(join(shards, name));
  }
  const data = await open();
  assert.equal(numbers(await data.read(1, 0, 16)), order.slice(0, 16));
  await rejects(data.read(1, 16, 8), /Cannot read .*shard-0000\d\.safetensors: there is no such file/);
});

test("latents are drawn from their mean and deviation, and scaled", async () => {
  const config = smallConfig({
    model: { ...smallConfig().model, inputSize: SIDE, inChannels: CHANNELS },
    batchSize: 8,
  });
  const exact = await openTrainingData(await latents(8), options);
  const next = batchSource(exact, config);
  const { x } = await next(0);
  const means = numbers(await exact.read(config.seed, 0, 8));
  const drawn = Array.from(x.dataSync());
  for (const [i, value] of drawn.entries())
    assert.ok(Math.abs(value - means[Math.floor(i / SIZE)] * 0.18215) < 1e-6);

  // With a deviation of 2 the draws less the means are normal: 512 of them, so their mean is within 0.2 of 0.
  const wide = await openTrainingData(await latents(8, 2), options);
  const batch = await batchSource(wide, config)(0);
  const order = numbers(await wide.read(config.seed, 0, 8));
  const noise = Array.from(
    batch.x.dataSync(),
    (value, i) => (value / 0.18215 - order[Math.floor(i / SIZE)]) / 2,
  );
  const mean = noise.reduce((sum, value) => sum + value, 0) / noise.length;
  const variance = noise.reduce((sum, value) => sum + value * value, 0) / noise.length;
  assert.ok(Math.abs(mean) < 0.2 && Math.abs(variance - 1) < 0.3, `${mean} ${variance}`);
});

test("images are read as pixels, cropped, or through a VAE; prepared latents give the same", async () => {
  const [raw, images, encoded, shards] = await Promise.all(range(4).map(temporaryFolder));
  for (let i = 0; i < 6; i++) await writeFiles(raw, { [`class-${i % 2}/${i}.png`]: await png(40, 33, i) });
  const pixels = await openTrainingData(raw, { inputSize: 32 });
  const { values, labels } = await pixels.read(0, 0, 6);
  assert.equal([pixels.shape, pixels.scale, pixels.classes], [[3, 32, 32], undefined, 2]);
  const one = async (path: string) => centerCrop(await decodeImage(await readFile(path)), 32).data;
  const all = await Promise.all(range(6).map((i) => one(join(raw, `class-${i % 2}/${i}.png`))));
  for (let n = 0; n < 6; n++) {
    const found = all.findIndex((data, i) =>
      data.every(
        (value, at) =>
          Math.abs(values[n * 3072 + (at % 3) * 1024 + Math.floor(at / 3)] - (value / 127.5 - 1)) < 1e-6 &&
          i % 2 === labels[n],
      ),
    );
    assert.ok(found >= 0, `example ${n} is one of the images`);
    all[found] = new Uint8Array([1]);
  }

  const folder = await temporaryFolder();
  await writeFiles(folder, {
    "config.json": await readFile(fixture("vae-config.json")),
    "diffusion_pytorch_model.safetensors": await readFile(fixture("vae.safetensors")),
  });
  const vae = await readVAE(folder);
  const factor =
    32 /
    2 **
      (parseVAEConfig(JSON.parse(await readFile(fixture("vae-config.json"), "utf8"))).blockOutChannels
        .length -
        1);
  await prepareImages(raw, images, { size: 32, threads: 1 });
  await prepareLatents(images, encoded, { vae });
  await packShards(images, shards, { shardSize: 4 });
  // The reference's training finds them in a folder of the one that it is given.
  const parent = await temporaryFolder();
  await mkdir(parent, { recursive: true });
  await rename(encoded, join(parent, "vae-sd"));
  const expected = await openTrainingData(parent, { inputSize: factor });
  const want = await expected.read(3, 0, 6);
  const read = await openTrainingData(raw, { inputSize: factor, vae });
  assert.equal([read.shape, read.scale], [expected.shape, expected.scale]);
  const got = await read.read(3, 0, 6);
  assert.equal(got.labels, want.labels);
  assert.ok(got.values.every((value, i) => Math.abs(value - want.values[i]) < 1e-5));
  const packed = await openTrainingData(shards, { inputSize: factor, vae });
  const sum = (values: Float32Array): number => values.reduce((total, value) => total + value, 0);
  assert.ok(Math.abs(sum((await packed.read(3, 0, 6)).values) - sum(want.values)) < 1e-2);
  for (const data of [pixels, expected, read, packed]) await data.close();
});

test("training on shards goes on where it was stopped, bit by bit", async () => {
  const shards = await temporaryFolder();
  await packShards(await latents(20, 1), shards, { shardSize: 3 });
  const config = smallConfig({
    model: { ...smallConfig().model, inputSize: SIDE, patchSize: 2, inChannels: CHANNELS },
    checkpointEvery: 100,
    steps: 8,
  });
  const run = async (folder: string, resume: boolean, stopAt?: number) => {
    const images = await openTrainingData(shards, { ...options, memory: 4000 });
    const controller = new AbortController();
    return train(config, {
      folder,
      images,
      resume,
      signal: controller.signal,
      onProgress: ({ step }) => step === stopAt && controller.abort(),
    });
  };
  const whole = await run(await temporaryFolder(), false);
  const folder = await temporaryFolder();
  assert.is((await run(folder, false, 3)).step, 3);
  const resumed = await run(folder, true);
  for (const [name, tensor] of Object.entries(whole.state.params))
    assert.equal(resumed.state.params[name].dataSync(), tensor.dataSync(), name);
});

test("what does not fit is one sentence", async () => {
  const folder = await latents(3);
  const path = "00000/img-mean-std-00000001.npy";
  await writeFiles(folder, { [path]: formatNpy(ndarray(new Float32Array(2), [2, 1, 1])) });
  const data = await openTrainingData(folder, options);
  await rejects(data.read(0, 0, 3), /00000001\.npy of .* has 2 values, expected 128 as the first file has/);
  await writeFiles(folder, { [path]: "no numbers" });
  await rejects(data.read(0, 0, 3), /Cannot read 00000\/img-mean-std-00000001\.npy of /);
  await rejects(packShards(folder, await temporaryFolder(), {}), /Cannot read 00000\/img-mean-std-00000001/);
  await rejects(
    openTrainingData(await latents(2, 0, [2 * SIZE]), options),
    /must hold mean and standard deviation, numbers \[2 C, H, W\], got float32 \[128\]/,
  );
  const batched = await openTrainingData(await latents(2, 0, [1, 2 * CHANNELS, SIDE, SIDE]), options);
  assert.equal(batched.shape, [CHANNELS, SIDE, SIDE]);
  await writeFiles(folder, { "dataset.json": '{"labels": null}', "a.png": await png(4, 4, 0) });
  await rejects(openTrainingData(folder, options), /mixes images and latents: .*npy" and "a\.png"/);

  const shards = await temporaryFolder();
  await packShards(await latents(3), shards);
  const index = join(shards, "index.json");
  await writeFile(index, (await readFile(index, "utf8")).replace('"count": 3', '"count": 4'));
  const wrong = await openTrainingData(shards, options);
  await rejects(
    wrong.read(0, 0, 3),
    /moments of .* is \[3, 8, 4, 4\], expected \[4, 8, 4, 4\] by index\.json/,
  );
  await writeFile(index, '{"format": "ditlab-shards-1", "kind": "latents", "shape": [8, 1e99, 4]}');
  await rejects(openTrainingData(shards, options), /index\.json is no index of shards/);

  const unlabelled = await latents(3);
  await writeFiles(unlabelled, { "dataset.json": '{"labels": null}' });
  const images = await openTrainingData(unlabelled, options);
  const model = { ...smallConfig().model, inputSize: SIDE, inChannels: CHANNELS };
  const run = async (change: Partial<typeof model>) =>
    train(smallConfig({ model: { ...model, ...change } }), { folder: await temporaryFolder(), images });
  await rejects(run({}), /have no labels, but the model has 2 classes, expected 1/);
  await rejects(run({ inputSize: 8 }), /are 4x4x4, but the model expects 4x8x8/);
});

test.run();
