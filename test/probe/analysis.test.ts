/** Similarities of blocks and pictures of tokens, against closed forms and other ways to the same numbers. */
import { EVD, Matrix } from "ml-matrix";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { SIT_PROCESS } from "../../lib/diffusion/index.ts";
import { makeNetwork } from "../../lib/models/index.ts";
import {
  type BlockFeatures,
  featureExtractor,
  linearCKA,
  pcaColors,
  type TokenFeatures,
  tokenExtractor,
} from "../../lib/probe/index.ts";
import { mapParams, normalTensor, randomGenerator, type Tensor, tf } from "../../lib/tensor/index.ts";
import { rejects } from "../io/helpers.ts";
import { smallConfig, smallImages } from "../train/small.ts";

const features = (count: number, width: number, fill: (i: number, j: number) => number): BlockFeatures => ({
  data: Float32Array.from({ length: count * width }, (_, n) => fill(Math.floor(n / width), n % width)),
  blocks: 1,
  count,
  width,
});
const rowOf = ({ data, width }: BlockFeatures, i: number): number[] => [
  ...data.subarray(i * width, (i + 1) * width),
];

test("CKA is 1 of features that are rotated, scaled and moved, and small of others", async () => {
  const random = randomGenerator(1);
  const a = features(200, 3, () => random.normal());
  const [cosine, sine] = [Math.cos(0.7), Math.sin(0.7)];
  const rotated = features(200, 3, (i, j) => {
    const [x, y, z] = rowOf(a, i);
    return 5 * [cosine * x - sine * y, sine * x + cosine * y, z][j] + 3;
  });
  const [[same]] = await linearCKA(a, rotated);
  assert.ok(Math.abs(same - 1) < 1e-5, `${same}`);
  const [[other]] = await linearCKA(
    a,
    features(200, 3, () => random.normal()),
  );
  assert.ok(other < 0.1, `${other}`);
});

test("CKA is |Y^T X|^2 / (|X^T X| |Y^T Y|) of centred features, for every two blocks", async () => {
  const random = randomGenerator(2);
  const count = 50;
  const shared = Array.from({ length: count }, () => random.normal());
  const set = (blocks: number, width: number): BlockFeatures => ({
    data: Float32Array.from(
      { length: blocks * count * width },
      (_, n) => 3 + random.normal() + (n % width) * shared[Math.floor(n / width) % count],
    ),
    ...{ blocks, count, width },
  });
  const [a, b] = [set(2, 4), set(3, 5)];
  const matrix = ({ data, width }: BlockFeatures, block: number): Matrix => {
    const rows = Array.from({ length: count }, (_, i) => {
      const at = (block * count + i) * width;
      return [...data.subarray(at, at + width)];
    });
    return new Matrix(rows).center("column");
  };
  const cross = (x: Matrix, y: Matrix): number => y.transpose().mmul(x).norm("frobenius");
  const found = await linearCKA(a, b);
  assert.equal([found.length, found[0].length], [2, 3]);
  for (const [i, row] of found.entries())
    for (const [j, value] of row.entries()) {
      const [x, y] = [matrix(a, i), matrix(b, j)];
      const expected = cross(x, y) ** 2 / (cross(x, x) * cross(y, y));
      assert.ok(Math.abs(value - expected) < 1e-5, `${value}, expected ${expected}`);
    }
  await rejects(
    linearCKA(
      a,
      features(49, 2, () => 1),
    ),
    /CKA compares features of the same images, got 50 and 49/,
  );
});

/** Tokens whose features vary in three directions, each less than the one before, and a little in all. */
function tokens(count: number, seed: number): TokenFeatures {
  const random = randomGenerator(seed);
  const width = 6;
  return {
    data: Float32Array.from({ length: count * 4 * width }, (_, n) => {
      const j = n % width;
      return [8, 4, 2, 0.05, 0.05, 0.05][j] * random.normal() + 10;
    }),
    ...{ count, tokens: 4, width },
  };
}

test("colours are the first three principal components, stretched to 0 .. 1", () => {
  const { data, width } = tokens(30, 3);
  const colors = pcaColors({ data, count: 30, tokens: 4, width });
  assert.equal(colors.shape, [30, 2, 2, 3]);
  const rows = Array.from({ length: 120 }, (_, i) => [...data.subarray(i * width, (i + 1) * width)]);
  const centred = new Matrix(rows).center("column");
  const { eigenvectorMatrix: vectors, realEigenvalues: values } = new EVD(centred.transpose().mmul(centred), {
    assumeSymmetric: true,
  });
  const order = values.map((_, i) => i).sort((i, j) => values[j] - values[i]);
  for (let c = 0; c < 3; c++) {
    const vector = vectors.getColumn(order[c]);
    const largest = vector.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0);
    const projected = rows.map((_, i) =>
      centred.getRow(i).reduce((sum, value, j) => sum + value * vector[j] * Math.sign(largest), 0),
    );
    const [low, high] = [Math.min(...projected), Math.max(...projected)];
    projected.forEach((value, i) => {
      const expected = (value - low) / (high - low);
      assert.ok(
        Math.abs(colors.data[i * 3 + c] - expected) < 1e-3,
        `component ${c}: ${colors.data[i * 3 + c]}, ${expected}`,
      );
    });
  }
});

test("each image has its own colours where they are not joint, and tokens without a square have none", () => {
  const given = tokens(3, 4);
  const own = pcaColors(given, { joint: false });
  for (let i = 0; i < 3; i++) {
    const at = i * 4 * given.width;
    const alone = pcaColors({ ...given, data: given.data.slice(at, at + 4 * given.width), count: 1 });
    assert.equal([...own.data.subarray(i * 12, i * 12 + 12)], [...alone.data]);
  }
  const flat = pcaColors({ data: new Float32Array(8).fill(2), count: 1, tokens: 4, width: 2 });
  assert.ok(flat.data.every((value) => value === 0.5));
  assert.throws(
    () => pcaColors({ data: new Float32Array(6), count: 1, tokens: 3, width: 2 }),
    /pictures need a square of tokens, got 3 of them/,
  );
});

test("pooled features are the means of tokens, and progress is told", async () => {
  const { model } = smallConfig();
  const network = makeNetwork(model);
  const random = randomGenerator(5);
  const params = mapParams(network.init(random), (p) =>
    tf.tidy(() => tf.add(p, tf.mul(normalTensor(random, p.shape), 0.1)) as Tensor),
  );
  const images = smallImages(130);
  const before = tf.memory().numTensors;
  const pooled = featureExtractor(network, SIT_PROCESS);
  const after = tokenExtractor(network, SIT_PROCESS, 2);
  const told: number[] = [];
  const options = { count: 120, seed: 3, time: 0.4, onProgress: (done: number) => void told.push(done) };
  const means = await pooled.extract(params, images, options);
  const each = await after.extract(params, images, options);
  assert.equal(told, [100, 120, 100, 120]);
  assert.equal([each.count, each.tokens, each.width], [120, 4, 16]);
  for (let i = 0; i < 120; i++)
    for (let j = 0; j < 16; j++) {
      let sum = 0;
      for (let token = 0; token < 4; token++) sum += each.data[(i * 4 + token) * 16 + j];
      assert.ok(Math.abs(sum / 4 - means.data[(120 + i) * 16 + j]) < 1e-5);
    }
  await Promise.all([pooled.dispose(), after.dispose()]);
  assert.is(tf.memory().numTensors, before);
  assert.throws(
    () => tokenExtractor(network, SIT_PROCESS, 3),
    /block must be an integer from 1 to the depth 2, got 3/,
  );
});

test.run();
