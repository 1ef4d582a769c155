import { test } from "uvu";
import * as assert from "uvu/assert";
import { imageTensor } from "../../lib/data/index.ts";
import { interpolate } from "../../lib/diffusion/index.ts";
import { initSiT, transformerFeatures } from "../../lib/models/index.ts";
import { type BlockFeatures, featureExtractor, linearProbe } from "../../lib/probe/index.ts";
import { normalTensor, randomGenerator, randomStream, tf } from "../../lib/tensor/index.ts";
import { rejects } from "../io/helpers.ts";
import { relativeError } from "../parity.ts";
import { smallConfig, smallImages } from "../train/small.ts";

const WIDTH = 6;
const CLASSES = 3;

/** Two blocks: the first's features are the class's centre plus noise, the second's are noise alone. */
function makeFeatures(
  count: number,
  seed: number,
  gain = 1,
  offset = 0,
): { features: BlockFeatures; labels: number[] } {
  const random = randomGenerator(seed);
  const labels = Array.from({ length: count }, () => random.integer(CLASSES));
  const value = (block: number, i: number, j: number): number =>
    gain * (random.normal() * 0.3 + (block === 0 && j === labels[i] ? 2 : 0)) + offset;
  const data = Float32Array.from({ length: 2 * count * WIDTH }, (_, n) =>
    value(Math.floor(n / (count * WIDTH)), Math.floor(n / WIDTH) % count, n % WIDTH),
  );
  return { features: { data, blocks: 2, count, width: WIDTH }, labels };
}

test("separable features are told apart, noise is not", async () => {
  const [train, held] = [makeFeatures(400, 1), makeFeatures(300, 2)];
  const [signal, noise] = await linearProbe(train.features, train.labels, held.features, held.labels, {
    classes: CLASSES,
  });
  assert.ok(signal > 0.97, `signal ${signal}`);
  assert.ok(Math.abs(noise - 1 / CLASSES) < 0.1, `noise ${noise}`);
});

test("the features' scale and offset do not matter", async () => {
  const plain = [makeFeatures(200, 1), makeFeatures(200, 2)];
  const moved = [makeFeatures(200, 1, 50, 7), makeFeatures(200, 2, 50, 7)];
  const [a, b] = await Promise.all(
    [plain, moved].map(([train, held]) =>
      linearProbe(train.features, train.labels, held.features, held.labels, { classes: CLASSES }),
    ),
  );
  a.forEach((accuracy, block) => {
    assert.ok(Math.abs(accuracy - b[block]) <= 0.02, `block ${block + 1}: ${accuracy} and ${b[block]}`);
  });
});

test("features are those of the blocks, pooled, with the null class", async () => {
  const { model } = smallConfig();
  const images = smallImages();
  const random = randomGenerator(2);
  // adaLN-Zero makes every block the identity at first: give the modulations values.
  const params = initSiT(model, random);
  for (const name of Object.keys(params))
    if (name.includes("adaLN")) params[name] = normalTensor(random, params[name].shape);
  const extractor = featureExtractor(model, "linear");
  const count = 30;
  const got = await extractor.extract(params, images, { count, timestep: 0.4, seed: 9 });
  await extractor.dispose();
  assert.equal([got.blocks, got.count, got.width], [2, count, 16]);

  // Each image's noise is a stream of its own.
  const noise = tf.stack(
    Array.from({ length: count }, (_, i) => normalTensor(randomStream(9, "probe", i), [1, 8, 8])),
  );
  const x = imageTensor(
    images,
    Array.from({ length: count }, (_, i) => i),
  );
  const t = tf.fill([count], 0.4);
  const y = tf.fill([count], model.numClasses, "int32");
  for (const block of [1, 2]) {
    const tokens = transformerFeatures(params, model, interpolate("linear", x, noise, t), t, y, block);
    const part = got.data.subarray((block - 1) * count * 16, block * count * 16);
    assert.ok(relativeError(part, tf.mean(tokens, 1)) < 1e-5);
  }
});

test("mismatched features and labels are refused", async () => {
  const { features, labels } = makeFeatures(20, 1);
  await rejects(
    linearProbe(features, labels.slice(1), features, labels, { classes: 3 }),
    /19 train labels for 20 features/,
  );
  await rejects(
    linearProbe(features, labels, { ...features, blocks: 1, count: 40 }, labels, { classes: 3 }),
    /test features are \[1, , 6\], expected \[2, , 6\]/,
  );
  const extractor = featureExtractor(smallConfig().model, "linear");
  await rejects(
    extractor.extract({}, smallImages(), { count: 51, timestep: 0, seed: 0 }),
    /count must be from 1 to 50, got 51/,
  );
});

test.run();
