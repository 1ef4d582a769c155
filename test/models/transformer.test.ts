/** Facts about SiT that hold without any reference. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  checkNetworkParams,
  makeNetwork,
  type TransformerConfig,
  transformerBlock,
} from "../../lib/models/index.ts";
import { patchEmbedding, positionEmbedding, unpatchify } from "../../lib/nn/index.ts";
import { mapParams, normalTensor, randomGenerator, tf } from "../../lib/tensor/index.ts";
import { relativeError } from "../parity.ts";

const CONFIG: TransformerConfig = {
  inputSize: 12,
  patchSize: 4,
  inChannels: 3,
  hiddenSize: 40,
  depth: 3,
  numHeads: 5,
  mlpRatio: 4,
  numClasses: 7,
  qkNorm: true,
};
const network = makeNetwork(CONFIG);
const params = network.init(randomGenerator(1));
const random = randomGenerator(2);
const noisy = mapParams(params, (p) => tf.add(p, tf.mul(normalTensor(random, p.shape), 0.1)));
const x = normalTensor(random, [2, 3, 12, 12]);
const t = tf.tensor1d([0.2, 0.9]);
const condition = { y: tf.tensor1d([7, 3], "int32") };

test("adaLN-Zero starts with velocity exactly 0 and every block the identity", () => {
  const { output, taps } = network.apply(params, x, t, condition, { taps: [1, 2, 3] });
  assert.equal(output.shape, x.shape);
  assert.ok(output.dataSync().every((v) => v === 0));
  const tokens = tf.add(patchEmbedding(params, "x_embedder.proj", x, 4), params.pos_embed);
  for (const block of taps) assert.equal(block.dataSync(), tokens.dataSync());
});

test("initialization has the bounds and deviations of the reference", () => {
  const bound = Math.sqrt(6 / (40 + 160));
  const weight = params["blocks.0.mlp.fc1.weight"].dataSync();
  assert.ok(weight.every((w) => Math.abs(w) <= bound));
  assert.ok(Math.max(...weight) > 0.99 * bound);
  // Xavier of the patch projection counts it as a matrix [width, channels * patch * patch].
  assert.ok(
    params["x_embedder.proj.weight"].dataSync().every((w) => Math.abs(w) <= Math.sqrt(6 / (40 + 48))),
  );
  for (const name of ["t_embedder.mlp.0.weight", "y_embedder.embedding_table.weight"]) {
    const { variance } = tf.moments(params[name]);
    assert.ok(Math.abs(Math.sqrt(variance.dataSync()[0]) / 0.02 - 1) < 0.15, name);
  }
});

test("names and shapes are the reference's, and a misfit is told in one error", () => {
  checkNetworkParams(params, network);
  const { shapes } = network;
  assert.equal(shapes.pos_embed, [1, 9, 40]);
  assert.equal(shapes["x_embedder.proj.weight"], [40, 3, 4, 4]);
  assert.equal(shapes["y_embedder.embedding_table.weight"], [8, 40]);
  assert.equal(shapes["blocks.2.attn.k_norm.weight"], [8]);
  assert.equal(shapes["final_layer.linear.weight"], [48, 40]);
  assert.equal(
    Object.keys(shapes).filter((name) => !network.trainable(name)),
    ["pos_embed"],
  );
  const { pos_embed: _, ...rest } = params;
  assert.throws(
    () => checkNetworkParams({ ...rest, extra: t }, network),
    /missing: pos_embed; unexpected: extra/,
  );
  assert.throws(() => makeNetwork({ ...CONFIG, numHeads: 3 }), /multiple of 4 and of numHeads 3/);
});

test("the position embedding mirrors, and depends on offsets alone", () => {
  const [width, side] = [16, 5];
  const tokens = tf.reshape(positionEmbedding(width, side), [side, side, width]).arraySync() as number[][][];
  const dot = (a: number[], b: number[]): number => a.reduce((sum, value, i) => sum + value * b[i], 0);
  assert.equal(tokens[0][0], [0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1]);
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const token = tokens[row][column];
      // Swapping row and column swaps the halves.
      assert.equal(tokens[column][row], [...token.slice(width / 2), ...token.slice(0, width / 2)]);
      assert.ok(Math.abs(dot(token, token) - width / 2) < 1e-5);
      if (row + 1 < side && column + 2 < side) {
        const shifted = dot(token, tokens[row + 1][column + 2]);
        assert.ok(Math.abs(shifted - dot(tokens[0][0], tokens[1][2])) < 1e-5);
      }
    }
  }
});

test("patches of an identity projection are put together again", () => {
  const weight = tf.reshape(tf.eye(48), [48, 3, 4, 4]);
  const patches = patchEmbedding({ "p.weight": weight, "p.bias": tf.zeros([48]) }, "p", x, 4);
  // The projection reads a patch as [C,p,p]; the last layer writes it as [p,p,C].
  const pixelsFirst = tf.reshape(
    tf.transpose(tf.reshape(patches, [2, 9, 3, 4, 4]), [0, 1, 3, 4, 2]),
    [2, 9, 48],
  );
  assert.equal(unpatchify(pixelsFirst, 4, 3).dataSync(), x.dataSync());
});

test("samples of a batch do not see each other", () => {
  const both = network.apply(noisy, x, t, condition, { taps: [2] });
  const [xs, ts, ys] = [tf.split(x, 2), tf.split(t, 2), tf.split(condition.y, 2)];
  for (const i of [0, 1]) {
    const one = network.apply(noisy, xs[i], ts[i], { y: ys[i] }, { taps: [2] });
    assert.ok(relativeError(one.output, tf.split(both.output, 2)[i]) < 1e-5);
    assert.ok(relativeError(one.taps[0], tf.split(both.taps[0], 2)[i]) < 1e-5);
  }
});

test("the teacher's shorter run gives the same features, in the order asked for", () => {
  const whole = network.apply(noisy, x, t, condition, { taps: [3, 1] }).taps;
  const short = network.features(noisy, x, t, condition, { taps: [3, 1] });
  for (const i of [0, 1]) assert.equal(short[i].dataSync(), whole[i].dataSync());
  assert.throws(
    () => network.apply(noisy, x, t, condition, { taps: [0] }),
    /block must be from 1 to 3, got 0/,
  );
  assert.throws(() => network.features(noisy, x, t, condition, { taps: [4] }), /block must be from 1 to 3/);
  assert.throws(
    () => network.apply(noisy, normalTensor(random, [2, 1, 12, 12]), t, condition),
    /input x must be \[batch,3,12,12\], got \[2,1,12,12\]/,
  );
  assert.throws(
    () => network.apply(noisy, x, tf.ones([2, 4]), condition),
    /times t must be \[2\], one a sample, or \[2,9\], one a token, got \[2,4\]/,
  );
  assert.throws(
    () => transformerBlock(noisy, CONFIG, 1, whole[0], tf.ones([2, 40])),
    /^a block's c must be \[batch,1,width\], .* or \[batch,9,width\], one for each, got \[2,40\]$/,
  );
  assert.throws(() => network.apply(noisy, x, t, {}), /condition must be \{ y \}/);
});

test.run();
