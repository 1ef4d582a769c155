/** Features as pictures: what stands where, of what. */
import { join } from "node:path";
import sharp from "sharp";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { DIT_PROCESS, SIT_PROCESS } from "../../lib/diffusion/index.ts";
import { featurePictures, writeFeaturePicture } from "../../lib/experiments/index.ts";
import { makeNetwork } from "../../lib/models/index.ts";
import { pcaColors, tokenExtractor } from "../../lib/probe/index.ts";
import { mapParams, normalTensor, randomGenerator, type Tensor, tf } from "../../lib/tensor/index.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { smallConfig, smallImages } from "../train/small.ts";

const { model } = smallConfig();
const network = makeNetwork(model);
const random = randomGenerator(5);
const params = mapParams(network.init(random), (p) =>
  tf.tidy(() => tf.add(p, tf.mul(normalTensor(random, p.shape), 0.1)) as Tensor),
);
const images = smallImages(9);
const side = model.inputSize;

test("a row is an image, clean, and what each block makes of it at a noise level", async () => {
  const before = tf.memory().numTensors;
  const options = { images, count: 3, blocks: [2, 1], times: [0.2, 0.7], seed: 4 };
  const pictures = await featurePictures(network, SIT_PROCESS, params, options);
  assert.is(tf.memory().numTensors, before);
  assert.equal(
    pictures.map(({ time, columns, images }) => [time, columns, images.shape]),
    [0.2, 0.7].map((time) => [time, 3, [9, side, side, 3]]),
  );
  const { data } = pictures[1].images;
  const pixel = (row: number, column: number, y: number, x: number): number[] => {
    const at = (((row * 3 + column) * side + y) * side + x) * 3;
    return [...data.subarray(at, at + 3)];
  };
  const extractor = tokenExtractor(network, SIT_PROCESS, 1);
  const tokens = await extractor.extract(params, images, { count: 3, seed: 4, time: 0.7 });
  await extractor.dispose();
  const colours = pcaColors(tokens).data;
  const grid = Math.sqrt(tokens.tokens);
  for (const [row, y, x] of [
    [0, 0, 0],
    [1, side - 1, 2],
    [2, 3, side - 1],
  ]) {
    const grey = images.images[(row * side + y) * side + x];
    for (const value of pixel(row, 0, y, x)) assert.ok(Math.abs(value - grey) <= 1);
    const token = (row * grid + Math.floor((y * grid) / side)) * grid + Math.floor((x * grid) / side);
    assert.equal(
      pixel(row, 2, y, x),
      [0, 1, 2].map((c) => Math.round(255 * colours[3 * token + c])),
    );
  }
  const file = join(await temporaryFolder(), "features.png");
  await writeFeaturePicture(file, pictures[0]);
  const { width, height } = await sharp(file).metadata();
  const scale = Math.round(1000 / (3 * side));
  assert.equal([width, height], [3 * side * scale + 4, 3 * side * scale + 4]);
});

test("a level that a process lacks, or more images than there are, is refused", async () => {
  const refused = async (
    options: object,
    reason: RegExp,
    process: typeof SIT_PROCESS | typeof DIT_PROCESS,
  ) => {
    const given = { images, count: 3, times: [0.2], seed: 0, ...options };
    const error = await featurePictures(network, process, params, given).catch((error: Error) => error);
    assert.instance(error, Error);
    assert.match((error as Error).message, reason);
  };
  await refused({ times: [1.5] }, /1\.5/, SIT_PROCESS);
  await refused({ count: 10 }, /count must be from 1 to 9, got 10/, SIT_PROCESS);
  await refused({ blocks: [3] }, /block must be an integer from 1 to the depth 2, got 3/, DIT_PROCESS);
});

test.run();
