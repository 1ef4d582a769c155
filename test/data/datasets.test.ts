import { existsSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type DatasetName, loadDataset, loadImageSet } from "../../lib/data/index.ts";
import { rejects, temporaryFolder } from "../io/helpers.ts";

function idx(shape: number[], data: number[]): Buffer {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header.set([0, 0, 8, shape.length]);
  shape.forEach((size, axis) => {
    header.writeUInt32BE(size, 4 + 4 * axis);
  });
  return Buffer.concat([header, Buffer.from(data)]);
}

/** A folder with 3 training and 2 test images of 2x2 pixels; some files gzipped. */
async function tinyFolder(): Promise<string> {
  const folder = await temporaryFolder();
  const count = (n: number) => Array.from({ length: n }, (_, i) => i);
  await writeFile(join(folder, "train-images-idx3-ubyte"), idx([3, 2, 2], count(12)));
  await writeFile(join(folder, "train-labels-idx1-ubyte.gz"), gzipSync(idx([3], [0, 9, 5])));
  await writeFile(join(folder, "t10k-images-idx3-ubyte.gz"), gzipSync(idx([2, 2, 2], count(8))));
  await writeFile(join(folder, "t10k-labels-idx1-ubyte"), idx([2], [1, 2]));
  return folder;
}

test("MNIST comes with the package", async () => {
  const set = await loadImageSet("mnist", "test");
  const { images, labels, ...sizes } = set;
  assert.equal(sizes, { count: 10_000, height: 28, width: 28, channels: 1 });
  assert.is(images.length, 10_000 * 28 * 28);
  assert.equal([...labels.subarray(0, 8)], [7, 2, 1, 0, 4, 1, 4, 9]);
  const perClass = new Array(10).fill(0);
  for (const label of labels) perClass[label] += 1;
  assert.equal(perClass, [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
});

test("reads either dataset from a folder", async () => {
  const folder = await tinyFolder();
  for (const name of ["mnist", "fashion-mnist"] as const) {
    const dataset = await loadDataset(name, { folder });
    assert.is(dataset.name, name);
    assert.is(dataset.classes.length, 10);
    assert.equal([...dataset.train.labels], [0, 9, 5]);
    assert.equal([...dataset.test.images], [0, 1, 2, 3, 4, 5, 6, 7]);
    assert.equal([dataset.train.count, dataset.test.count, dataset.train.height], [3, 2, 2]);
  }
});

test("names the file that is missing or does not fit", async () => {
  const folder = await tinyFolder();
  const labels = join(folder, "t10k-labels-idx1-ubyte");
  const load = () => loadDataset("mnist", { folder });
  await writeFile(labels, idx([2], [1, 10]));
  await rejects(load(), /t10k-labels-idx1-ubyte has the label 10 at 1, expected 0 to 9/);
  await writeFile(labels, idx([3], [1, 2, 3]));
  await rejects(load(), /t10k-labels-idx1-ubyte has 3 labels, expected 2/);
  await writeFile(labels, idx([2, 1], [1, 2]));
  await rejects(load(), /t10k-labels-idx1-ubyte must hold uint8 \[count\], got uint8 \[2, 1\]/);
  await rm(labels);
  await rejects(load(), /no t10k-labels-idx1-ubyte or .*\.gz of mnist in /);
  await writeFile(join(folder, "train-images-idx3-ubyte"), idx([12], new Array(12).fill(0)));
  await rejects(load(), /train-images-idx3-ubyte must hold uint8 \[count, height, width\], got uint8 \[12\]/);
  await rejects(loadDataset("cifar" as DatasetName), /no dataset "cifar", expected mnist or fashion-mnist/);
});

if (existsSync("/usr/share/datasets/fashion-mnist")) {
  test.skip("says where Fashion-MNIST goes without a connection (the Debian package is installed)");
} else {
  test("says where Fashion-MNIST goes without a connection, and finds it there", async () => {
    const before = process.env.DITLAB_HOME;
    process.env.DITLAB_HOME = await temporaryFolder();
    try {
      // Port 9 (discard) is closed nearly everywhere, and fetch refuses it besides.
      const load = () => loadDataset("fashion-mnist", { mirror: "http://127.0.0.1:9" });
      await rejects(
        load(),
        /Cannot download train-images-idx3-ubyte\.gz of fashion-mnist \(26\.4 MB\) from http:\/\/127\.0\.0\.1:9\//,
        /put it at .*fashion-mnist.train-images-idx3-ubyte\.gz$/,
      );
      const cache = join(process.env.DITLAB_HOME, "fashion-mnist");
      for (const split of ["train", "t10k"]) {
        await writeFile(join(cache, `${split}-images-idx3-ubyte.gz`), gzipSync(idx([1, 1, 1], [7])));
        await writeFile(join(cache, `${split}-labels-idx1-ubyte.gz`), gzipSync(idx([1], [3])));
      }
      assert.equal([...(await load()).test.images], [7]);
    } finally {
      if (before === undefined) delete process.env.DITLAB_HOME;
      else process.env.DITLAB_HOME = before;
    }
  });
}

test.run();
