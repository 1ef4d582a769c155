/** What tokens look at, against the attention's own output and plain loops. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { jit } from "../../lib/jit/index.ts";
import {
  attentionMaps,
  makeNetwork,
  type TransformerConfig,
  transformerBlock,
} from "../../lib/models/index.ts";
import {
  mapParams,
  normalTensor,
  type Params,
  randomGenerator,
  type Tensor,
  tf,
} from "../../lib/tensor/index.ts";

const CONFIG: TransformerConfig = {
  inputSize: 6,
  patchSize: 2,
  inChannels: 2,
  hiddenSize: 24,
  depth: 3,
  numHeads: 3,
  mlpRatio: 2,
  numClasses: 4,
  qkNorm: false,
};

function noisy(config: TransformerConfig): {
  params: Params;
  x: Tensor;
  t: Tensor;
  condition: { y: Tensor };
} {
  const random = randomGenerator(1);
  const params = mapParams(
    makeNetwork(config).init(random),
    (p) => tf.add(p, tf.mul(normalTensor(random, p.shape), 0.2)) as Tensor,
  );
  return {
    params,
    x: normalTensor(random, [2, 2, 6, 6]),
    t: tf.tensor1d([0.2, 0.7]),
    condition: { y: tf.tensor1d([1, 4], "int32") },
  };
}

for (const qkNorm of [false, true])
  test(`rows of a map weigh the values into what the block's attention gives${qkNorm ? ", with norms" : ""}`, () => {
    const config = { ...CONFIG, qkNorm };
    const { params, x, t, condition } = noisy(config);
    const [heads, size] = [config.numHeads, config.hiddenSize / config.numHeads];
    const maps = attentionMaps(params, config, x, t, condition, 2);
    assert.equal(maps.shape, [2, 3, 9, 9]);
    for (const sum of tf.sum(maps, 3).dataSync()) assert.ok(Math.abs(sum - 1) < 1e-6);
    // Values whose every feature is a token's number: attention's output is then the mean of the numbers looked at.
    const name = "blocks.1.attn";
    const { taps } = makeNetwork(config).apply(params, x, t, condition, { taps: [1] });
    const silent: Params = {
      ...params,
      "blocks.1.mlp.fc2.weight": tf.zerosLike(params["blocks.1.mlp.fc2.weight"]),
      "blocks.1.mlp.fc2.bias": tf.zerosLike(params["blocks.1.mlp.fc2.bias"]),
      [`${name}.proj.weight`]: tf.eye(24) as Tensor,
      [`${name}.proj.bias`]: tf.zeros([24]),
      // The gate of the attention is 1, and so is that of the silent MLP; shift and scale stay.
      "blocks.1.adaLN_modulation.1.weight": tf.mul(
        params["blocks.1.adaLN_modulation.1.weight"],
        tf.concat([tf.ones([48, 24]), tf.zeros([96, 24])]),
      ) as Tensor,
      "blocks.1.adaLN_modulation.1.bias": tf.mul(
        tf.add(params["blocks.1.adaLN_modulation.1.bias"], 0),
        tf.concat([tf.ones([48]), tf.zeros([96])]),
      ) as Tensor,
    };
    const gated: Params = {
      ...silent,
      "blocks.1.adaLN_modulation.1.bias": tf.add(
        silent["blocks.1.adaLN_modulation.1.bias"],
        tf.concat([tf.zeros([48]), tf.ones([24]), tf.zeros([72])]),
      ) as Tensor,
    };
    const embedded = conditionOf(params, config, t, condition);
    const out = tf.sub(transformerBlock(gated, config, 2, taps[0], embedded), taps[0]);
    // With these weights the values are the last third of qkv of the normalized tokens, which the block has computed.
    const values = valuesOf(gated, config, taps[0], embedded);
    const expected = tf.reshape(
      tf.transpose(
        tf.matMul(maps, tf.transpose(tf.reshape(values, [2, 9, heads, size]), [0, 2, 1, 3])),
        [0, 2, 1, 3],
      ),
      [2, 9, 24],
    );
    const worst = tf.max(tf.abs(tf.sub(out, expected))).dataSync()[0];
    assert.ok(worst < 1e-5, `${worst}`);
  });

/** The embedded time and class of a sample, [2,1,24]: what a block of silent branches is modulated by. */
function conditionOf(params: Params, config: TransformerConfig, t: Tensor, condition: { y: Tensor }): Tensor {
  const half = 128;
  const frequencies = tf.exp(tf.mul(tf.range(0, half), -Math.log(10000) / half));
  const angles = tf.mul(tf.reshape(t, [-1, 1]), tf.reshape(frequencies, [1, -1]));
  const embedding = tf.concat([tf.cos(angles), tf.sin(angles)], 1);
  const layer = (name: string, x: Tensor): Tensor =>
    tf.add(
      tf.matMul(x, params[`t_embedder.mlp.${name}.weight`], false, true),
      params[`t_embedder.mlp.${name}.bias`],
    );
  const hidden = layer("0", embedding as Tensor);
  const times = layer("2", tf.mul(hidden, tf.sigmoid(hidden)) as Tensor);
  const classes = tf.gather(params["y_embedder.embedding_table.weight"], condition.y as never);
  return tf.reshape(tf.add(times, classes), [2, 1, config.hiddenSize]);
}

/** The values of block 2's attention, [2,9,24]. */
function valuesOf(params: Params, config: TransformerConfig, x: Tensor, c: Tensor): Tensor {
  const width = config.hiddenSize;
  const modulation = tf.add(
    tf.matMul(
      tf.reshape(tf.mul(c, tf.sigmoid(c)), [2, width]),
      params["blocks.1.adaLN_modulation.1.weight"],
      false,
      true,
    ),
    params["blocks.1.adaLN_modulation.1.bias"],
  );
  const [shift, scale] = tf.split(tf.reshape(modulation, [2, 1, 6 * width]), 6, 2);
  const centred = tf.sub(x, tf.mean(x, 2, true));
  const normalized = tf.div(centred, tf.sqrt(tf.add(tf.mean(tf.square(centred), 2, true), 1e-6)));
  const input = tf.add(tf.mul(normalized, tf.add(scale, 1)), shift);
  const qkv = tf.add(
    tf.matMul(tf.reshape(input, [18, width]), params["blocks.1.attn.qkv.weight"], false, true),
    params["blocks.1.attn.qkv.bias"],
  );
  return tf.slice(tf.reshape(qkv, [2, 9, 3 * width]), [0, 0, 2 * width], [2, 9, width]);
}

test("compiled they are the same, of the first block too, and other blocks are refused", async () => {
  const { params, x, t, condition } = noisy(CONFIG);
  for (const block of [1, 3]) {
    const maps = jit((params: Params, x: Tensor, t: Tensor, condition: { y: Tensor }) =>
      attentionMaps(params, CONFIG, x, t, condition, block),
    );
    const compiled = await maps(params, x, t, condition);
    const difference = tf.sub(compiled, attentionMaps(params, CONFIG, x, t, condition, block));
    assert.ok(tf.max(tf.abs(difference)).dataSync()[0] < 1e-6);
    await maps.dispose();
  }
  assert.throws(() => attentionMaps(params, CONFIG, x, t, condition, 4), /block must be from 1 to 3, got 4/);
});

test.run();
