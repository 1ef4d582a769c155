import { test } from "uvu";
import * as assert from "uvu/assert";
import { type ImageSet, imageTensor } from "../../lib/data/index.ts";
import { loadSmallCnn } from "../../lib/experiments/index.ts";
import { ndarray } from "../../lib/io/index.ts";
import { cnnFeatures, cnnFeaturesOfSet, sampleMetrics } from "../../lib/metrics/index.ts";
import { randomGenerator, tf } from "../../lib/tensor/index.ts";
import { dataset } from "../experiments/bars.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { relativeError } from "../parity.ts";

const all = (set: ImageSet): number[] => Array.from({ length: set.count }, (_, i) => i);
const previous = process.env.DITLAB_HOME;
test.before(async () => {
  process.env.DITLAB_HOME = await temporaryFolder();
});
test.after(() => {
  if (previous === undefined) delete process.env.DITLAB_HOME;
  else process.env.DITLAB_HOME = previous;
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
  const before = tf.memory().numTensors;
  const fromPixels = await cnnFeaturesOfSet(network, dataset.test, indices);
  assert.is(tf.memory().numTensors, before);
  assert.ok(relativeError(fromFloats.features.data, fromPixels.features.data) < 1e-6);
});

test.run();
