/** Further arrays of every image: from .npy files beside images, and through shards. */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { namedFile } from "../../lib/cli/options.ts";
import {
  openArrays,
  openTrainingData,
  type PrepareResult,
  packShards,
  type TrainingData,
  withArrays,
} from "../../lib/data/index.ts";
import { formatNpy, ndarray, openNpyRows } from "../../lib/io/index.ts";
import { rejects, temporaryFolder } from "../io/helpers.ts";

const COUNT = 7;

/** Latents whose values are their number, and an array whose row is ten times that. */
async function latents(): Promise<{ folder: string; features: string }> {
  const folder = join(await temporaryFolder(), "latents");
  await mkdir(folder);
  for (let i = 0; i < COUNT; i++)
    await writeFile(join(folder, `img-${i}.npy`), formatNpy(ndarray(new Float32Array(8).fill(i), [2, 2, 2])));
  const labels = Array.from({ length: COUNT }, (_, i) => [`img-${i}.npy`, i % 3]);
  await writeFile(join(folder, "dataset.json"), JSON.stringify({ labels }));
  const features = join(await temporaryFolder(), "features.npy");
  const rows = Float32Array.from({ length: COUNT * 6 }, (_, i) => 10 * Math.floor(i / 6) + (i % 6) / 10);
  await writeFile(features, formatNpy(ndarray(rows, [COUNT, 3, 2])));
  return { folder, features };
}

test("rows of a file are read where they lie, in any order and number type", async () => {
  const folder = await temporaryFolder();
  const path = join(folder, "rows.npy");
  await writeFile(
    path,
    formatNpy(
      ndarray(
        Int16Array.from({ length: 12 }, (_, i) => i),
        [4, 3],
      ),
    ),
  );
  const rows = await openNpyRows(path);
  assert.equal([rows.count, rows.shape], [4, [3]]);
  assert.equal([...(await rows.read([3, 0, 3]))], [9, 10, 11, 0, 1, 2, 9, 10, 11]);
  await rows.close();
  await writeFile(path, formatNpy(ndarray(new Float32Array(3), [3])));
  await rejects(
    openNpyRows(path),
    /rows\.npy must hold an array \[images, \.\.\.\] in row-major order, got \[3\]/,
  );
  await writeFile(path, formatNpy(ndarray(new Float32Array(6), [3, 2])).subarray(0, -1));
  await rejects(openNpyRows(path), /rows\.npy has \d+ bytes, expected \d+ for \[3,2\] of <f4/);
  await rejects(openNpyRows(join(folder, "none.npy")), /none\.npy: there is no such file/);
});

test("arrays travel with their images, from files and from shards", async () => {
  const { folder, features } = await latents();
  const shards = join(await temporaryFolder(), "shards");
  await packShards(folder, shards, { shardSize: 3, arrays: { dinov2: features } });
  const beside = withArrays(await openTrainingData(folder, {}), await openArrays({ dinov2: features }));
  for (const data of [beside, await openTrainingData(shards, {})]) {
    assert.equal(data.arrays, { dinov2: [3, 2] });
    const { values, labels, arrays } = await data.read(1, 3, 2 * COUNT);
    const seen = new Set<number>();
    for (let i = 0; i < 2 * COUNT; i++) {
      const image = values[8 * i];
      seen.add(image);
      assert.is(labels[i], image % 3);
      assert.equal(
        Array.from(arrays!.dinov2.subarray(6 * i, 6 * i + 6)),
        Array.from({ length: 6 }, (_, j) => Math.fround(10 * image + j / 10)),
      );
    }
    assert.is(seen.size, COUNT);
    await data.close();
  }
  await rejects(
    packShards(folder, shards, { shardSize: 3 }),
    /was prepared with array dinov2 "\[3,2\] \w+", got undefined; expected the same/,
  );
});

/** The images that examples show, and those that their rows belong to. */
async function pairsOf(data: TrainingData): Promise<[images: number[], rows: number[]]> {
  const { values, arrays } = await data.read(1, 0, COUNT);
  const images = Array.from({ length: COUNT }, (_, i) => values[8 * i]);
  return [images, images.map((_, i) => arrays!.dinov2[6 * i] / 10)];
}

test("rows beside shards are those of the images in the order of their names", async () => {
  const { folder, features } = await latents();
  const shards = join(await temporaryFolder(), "shards");
  const beside = async (): Promise<TrainingData> =>
    withArrays(await openTrainingData(shards, {}), await openArrays({ dinov2: features }));
  await packShards(folder, shards, { shardSize: 3 });
  const data = await beside();
  const [images, rows] = await pairsOf(data);
  assert.equal(rows, images);
  const identity = await data.fingerprint!();
  await data.close();

  // Shards of earlier versions do not know their images; packing them again, which writes no shard, tells.
  const index = join(shards, "index.json");
  const { order, ...earlier } = JSON.parse(await readFile(index, "utf8"));
  assert.is(order, "stream");
  await writeFile(index, JSON.stringify(earlier, null, 2));
  await rejects(
    beside(),
    /^the array 'dinov2' \(.*features\.npy\) does not go with .*shards: shards of an earlier version do not say which image an example is; run the 'ditlab prepare shards' that made them again/,
  );
  assert.is((await packShards(folder, shards, { shardSize: 3 })).written, 0);
  const again = await beside();
  assert.equal(await pairsOf(again), [images, rows]);
  assert.is(await again.fingerprint!(), identity);
  await again.close();

  // Those that ditlab 0.1 began are in its order.
  const description = JSON.parse(await readFile(join(shards, "prepare.json"), "utf8"));
  await rm(shards, { recursive: true });
  await mkdir(shards);
  await writeFile(join(shards, "prepare.json"), JSON.stringify({ ...description, order: undefined }));
  await packShards(folder, shards, { shardSize: 3 });
  const old = await beside();
  const [oldImages, oldRows] = await pairsOf(old);
  assert.equal(oldRows, oldImages);
  assert.not.equal(oldImages, images);
  await old.close();
});

test("one folder of shards holds the rows of one file", async () => {
  const { folder, features } = await latents();
  const other = join(await temporaryFolder(), "other.npy");
  await writeFile(other, formatNpy(ndarray(new Float32Array(COUNT * 6).fill(1000), [COUNT, 3, 2])));
  const shards = join(await temporaryFolder(), "shards");
  const pack = (path: string, signal?: AbortSignal, onProgress?: () => void): Promise<PrepareResult> =>
    packShards(folder, shards, { shardSize: 3, arrays: { dinov2: path }, signal, onProgress });
  const controller = new AbortController();
  await pack(features, controller.signal, () => controller.abort());
  const refused = /was prepared with array dinov2 "\[3,2\] \w+", got "\[3,2\] \w+"; expected the same/;
  await rejects(pack(other), refused);
  // The same content under another name is the same.
  const copy = join(await temporaryFolder(), "copy.npy");
  await writeFile(copy, await readFile(features));
  assert.ok((await pack(copy)).finished);
  await rejects(pack(other), refused);
});

test("data have one array of a name", async () => {
  const { folder, features } = await latents();
  const data = withArrays(await openTrainingData(folder, {}), await openArrays({ dinov2: features }));
  const more = await openArrays({ dinov2: features });
  assert.throws(
    () => withArrays(data, more),
    /latents have an array 'dinov2' already, got another \(.*features\.npy\); expected another name$/,
  );
  await Promise.all([data.close(), more.dinov2.close()]);
  assert.throws(
    () => namedFile("dinov2=b.npy", namedFile("dinov2=a.npy")),
    /dinov2 is a\.npy already; expected another name/,
  );
});

test("an array has one row for each image", async () => {
  const { folder, features } = await latents();
  const data = await openTrainingData(folder, {});
  await writeFile(features, formatNpy(ndarray(new Float32Array(12), [2, 3, 2])));
  const arrays = await openArrays({ dinov2: features });
  assert.throws(
    () => withArrays(data, arrays),
    /^the array 'dinov2' \(.*features\.npy\) has 2 rows, expected one for each of the 7 images of/,
  );
  await data.close();
  await rejects(openArrays({ a: features, b: `${features}.no` }), /there is no such file/);
});

test.run();
