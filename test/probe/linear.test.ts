import { test } from "uvu";
import * as assert from "uvu/assert";
import { imageTensor } from "../../lib/data/index.ts";
import {
  betaSchedule,
  DIT_PROCESS,
  gaussianDiffusion,
  interpolate,
  type NoiseLevel,
  noisedAt,
  type ProcessConfig,
  SIT_PROCESS,
} from "../../lib/diffusion/index.ts";
import { makeNetwork } from "../../lib/models/index.ts";
import { type BlockFeatures, featureExtractor, linearProbe } from "../../lib/probe/index.ts";
import { mapParams, normalTensor, randomGenerator, randomStream, tf } from "../../lib/tensor/index.ts";
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
  const network = makeNetwork(smallConfig().model);
  const images = smallImages();
  const random = randomGenerator(2);
  // adaLN-Zero makes every block the identity at first: give the modulations values.
  const params = network.init(random);
  for (const name of Object.keys(params))
    if (name.includes("adaLN")) params[name] = normalTensor(random, params[name].shape);
  const extractor = featureExtractor(network, SIT_PROCESS);
  const count = 30;
  const got = await extractor.extract(params, images, { count, time: 0.4, seed: 9 });
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
  const nothing = { y: tf.fill([count], 2, "int32") };
  for (const block of [1, 2]) {
    const noised = interpolate("linear", x, noise, t);
    const [tokens] = network.features(params, noised, t, nothing, { taps: [block] });
    const part = got.data.subarray((block - 1) * count * 16, block * count * 16);
    assert.ok(relativeError(part, tf.mean(tokens, 1)) < 1e-5);
  }
});

test("a DiT is probed at a step: its features are those of the step", async () => {
  const network = makeNetwork({ ...smallConfig().model, outChannels: 2 });
  const images = smallImages();
  const random = randomGenerator(3);
  const params = mapParams(network.init(random), (p, name) =>
    name.includes("adaLN") ? normalTensor(random, p.shape) : p,
  );
  const extractor = featureExtractor(network, DIT_PROCESS);
  const got = await extractor.extract(params, images, { count: 4, step: 900, seed: 9 });
  await extractor.dispose();

  const noise = tf.stack([0, 1, 2, 3].map((i) => normalTensor(randomStream(9, "probe", i), [1, 8, 8])));
  const t = tf.fill([4], 900);
  const x = noisedAt(gaussianDiffusion(betaSchedule("linear")), {
    x: imageTensor(images, [0, 1, 2, 3]),
    noise,
    t,
  });
  const [tokens] = network.features(params, x, t, { y: tf.fill([4], 2, "int32") }, { taps: [2] });
  assert.ok(relativeError(got.data.subarray(4 * 16), tf.mean(tokens, 1)) < 1e-5);
});

test("a time for a DiT and a step for a SiT are refused, and so is what is out of range", async () => {
  const [sit, dit] = [SIT_PROCESS, DIT_PROCESS];
  const network = makeNetwork(smallConfig().model);
  const refused = (process: ProcessConfig, level: unknown, message: RegExp) =>
    rejects(
      featureExtractor(network, process).extract({}, smallImages(), {
        count: 1,
        seed: 0,
        ...(level as NoiseLevel),
      }),
      message,
    );
  await refused(
    dit,
    { time: 0.9 },
    /^a DiT takes { step }, an integer from 0 to 999, got time 0.9; use { step: 900 }$/,
  );
  await refused(dit, { time: 1 }, /got time 1; use { step: 999 }$/);
  await refused(dit, { time: 7 }, /got time 7$/);
  for (const step of [-1, 1000, 0.9, Number.NaN])
    await refused(dit, { step }, new RegExp(`an integer from 0 to 999, got ${step}$`));
  await refused(
    sit,
    { step: 900 },
    /^a SiT takes { time }, from 0 .* got step 900; step 900 of 1000 is { time: 0.9 }$/,
  );
  for (const time of [-0.1, 1.1, Number.NaN])
    await refused(sit, { time }, new RegExp(`from 0 \\(data\\) to 1 \\(noise\\), got ${time}$`));
  // What earlier versions took.
  for (const [config, name] of [
    [sit, "SiT"],
    [dit, "DiT"],
  ] as const)
    await refused(config, { timestep: 0.9 }, new RegExp(`^a ${name} takes .* got undefined$`));
  await refused(sit, { time: 0.5, step: 5 }, /^expected a time or a step, got both: time 0.5 and step 5$/);
});

test("probing leaves no tensors, also where it fails", async () => {
  const network = makeNetwork(smallConfig().model);
  const params = network.init(randomGenerator(2));
  const extractor = featureExtractor(network, SIT_PROCESS);
  const { features, labels } = makeFeatures(20, 1);
  const before = tf.memory().numTensors;
  await extractor.extract(params, smallImages(150), { count: 150, time: 0.4, seed: 9 });
  await rejects(extractor.extract({}, smallImages(), { count: 5, time: 0.4, seed: 9 }), /is missing/);
  await linearProbe(features, labels, features, labels, { classes: CLASSES, steps: 3 });
  await rejects(
    linearProbe(features, labels, features, labels, { classes: CLASSES, learningRate: "x" as never }),
    /./,
  );
  assert.is(tf.memory().numTensors, before);
  await extractor.dispose();
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
  const extractor = featureExtractor(makeNetwork(smallConfig().model), SIT_PROCESS);
  await rejects(
    extractor.extract({}, smallImages(), { count: 51, time: 0, seed: 0 }),
    /count must be from 1 to 50, got 51/,
  );
});

test.run();
