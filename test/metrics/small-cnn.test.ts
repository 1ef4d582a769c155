import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Dataset, ImageSet } from "../../lib/data/index.ts";
import { imageTensor } from "../../lib/data/index.ts";
import { ndarray } from "../../lib/io/index.ts";
import { cnnFeatures, cnnFeaturesOfSet, loadSmallCnn, sampleMetrics } from "../../lib/metrics/index.ts";
import { randomGenerator } from "../../lib/tensor/index.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { relativeError } from "../parity.ts";

/** Images whose class is the place of a bright bar. */
function bars(count: number, seed: number): ImageSet {
  const random = randomGenerator(seed);
  const labels = Uint8Array.from({ length: count }, () => random.integer(4));
  const images = Uint8Array.from({ length: count * 64 }, (_, i) =>
    Math.floor((i % 8) / 2) === labels[Math.floor(i / 64)] ? 150 + random.integer(100) : random.integer(80),
  );
  return { images, labels, count, height: 8, width: 8, channels: 1 };
}

const dataset: Dataset = {
  name: "mnist",
  classes: ["a", "b", "c", "d"],
  train: bars(2000, 1),
  test: bars(500, 2),
};
const all = (set: ImageSet): number[] => Array.from({ length: set.count }, (_, i) => i);
const previous = process.env.DITLAB_HOME;
test.before(async () => {
  process.env.DITLAB_HOME = await temporaryFolder();
});
test.after(() => {
  if (previous === undefined) delete process.env.DITLAB_HOME;
  else process.env.DITLAB_HOME = previous;
});

test("the feature network learns the classes, once, and comes back from the cache the same", async () => {
  const fresh = await loadSmallCnn(dataset);
  assert.ok(fresh.fresh);
  assert.ok(fresh.accuracy > 0.95, `accuracy ${fresh.accuracy}`);
  const cached = await loadSmallCnn(dataset);
  assert.not.ok(cached.fresh);
  assert.is(cached.accuracy, fresh.accuracy);
  const [a, b] = [
    await cnnFeaturesOfSet(fresh, dataset.test, [3, 1]),
    await cnnFeaturesOfSet(cached, dataset.test, [3, 1]),
  ];
  assert.equal(a, b);

  const changed = { ...dataset, train: { ...dataset.train, labels: dataset.train.labels.map((l) => 3 - l) } };
  assert.ok((await loadSmallCnn(changed)).fresh, "other training data is another network");
  assert.is((await readdir(join(process.env.DITLAB_HOME!, "classifiers"))).length, 2);
});

test("metrics rank real images over disturbed ones", async () => {
  const network = await loadSmallCnn(dataset);
  const reference = await cnnFeaturesOfSet(network, dataset.train, all(dataset.train));
  const real = await cnnFeaturesOfSet(network, dataset.test, all(dataset.test));
  const random = randomGenerator(3);
  const noisy = { ...dataset.test, images: dataset.test.images.map((v) => (v + random.integer(200)) / 2) };
  const sets = [real, await cnnFeaturesOfSet(network, noisy, all(noisy))];
  const [good, bad] = await Promise.all(sets.map((set) => sampleMetrics(reference, set)));
  assert.ok(good.frechet < bad.frechet);
  assert.ok(good.inceptionScore > 3.5 && good.inceptionScore <= 4);
  assert.ok(good.precision > 0.7 && good.recall > 0.7, JSON.stringify(good));
});

test("float images and stored pixels have the same features", async () => {
  const network = await loadSmallCnn(dataset);
  const indices = [5, 6, 7];
  const floats = imageTensor(dataset.test, indices);
  const fromFloats = await cnnFeatures(
    network,
    ndarray(floats.dataSync() as Float32Array<ArrayBuffer>, floats.shape),
  );
  const fromPixels = await cnnFeaturesOfSet(network, dataset.test, indices);
  assert.ok(relativeError(fromFloats.features.data, fromPixels.features.data) < 1e-6);
});

test.run();
