/** HASTE's attention loss against the maps that networks have, in plain numbers. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type AttentionConfig, type Batch, methodPreset } from "../../lib/align/index.ts";
import { SIT_PROCESS } from "../../lib/diffusion/index.ts";
import { attentionMaps, modelConfig } from "../../lib/models/index.ts";
import { scheduleAt } from "../../lib/optim/schedules.ts";
import { normalTensor, type Params, randomGenerator, tf } from "../../lib/tensor/index.ts";
import { initTask, lossesOf, makeTask, type Task } from "../../lib/train/index.ts";
import { backbone, batchAt, bothWays, MODEL, taskOf } from "./methods.ts";

const random = randomGenerator(3);
const METHOD: AttentionConfig = {
  ...{ method: "attention", weight: 0.5, blocks: [2, 4], array: "seen", heads: 1, headSize: 6 },
};
const seen = normalTensor(random, [4, 4, 1, 16, 6]);
const batch: Batch = { ...batchAt(tf.tensor1d([0.1, 0.4, 0.7, 0.9])), arrays: { seen } };

/** Rows of `softmax(q k^T / sqrt(6))` of the array's block, [B,16,16], in plain numbers. */
function targetOf(block: number): number[][][] {
  const values = seen.arraySync() as number[][][][][];
  return values.map((sample) => {
    const [[q], [k]] = [sample[2 * block], sample[2 * block + 1]];
    return q.map((row) => {
      const scores = k.map((key) => Math.exp(key.reduce((sum, x, i) => sum + x * row[i], 0) / Math.sqrt(6)));
      const whole = scores.reduce((a, b) => a + b);
      return scores.map((score) => score / whole);
    });
  });
}

/** A step along the gradient of a parameter lowers the weighted loss by as much as it says. */
function checkSlope(task: Task, params: Params, batch: Batch, gradients: Params, name: string): void {
  const step = 1e-2 / Math.sqrt(tf.sum(tf.square(gradients[name])).dataSync()[0]);
  const total = (sign: number): number => {
    const at = { ...params, [name]: tf.add(params[name], tf.mul(gradients[name], sign * step)) };
    const { generative, methods } = lossesOf(task, at, at, batch);
    return tf.mean(generative).dataSync()[0] + 0.5 * methods[0].dataSync()[0];
  };
  const rise = (total(1) - total(-1)) / (2 * step);
  const square = tf.sum(tf.square(gradients[name])).dataSync()[0];
  assert.ok(Math.abs(rise / square - 1) < 0.03, `${name}: ${rise}, ${square}`);
}

test("the cross-entropy of the first heads' maps, and its gradient, eager and compiled", async () => {
  const task = taskOf(METHOD);
  const input = task.process.noised(batch);
  let [sum, count] = [0, 0];
  for (const [i, block] of METHOD.blocks.entries()) {
    const maps = attentionMaps(backbone, MODEL, input, batch.t, batch.condition, block);
    const own = maps.arraySync() as number[][][][];
    for (const [n, rows] of targetOf(i).entries())
      for (const [t, row] of rows.entries()) {
        sum -= row.reduce((inner, p, key) => inner + p * Math.log(own[n][0][t][key]), 0);
        count++;
      }
  }
  for (const { method, gradients } of await bothWays(task, backbone, batch)) {
    assert.ok(Math.abs(method.dataSync()[0] / (sum / count) - 1) < 1e-5, `${method.dataSync()[0]}`);
    checkSlope(task, backbone, batch, gradients, "blocks.3.attn.qkv.weight");
    checkSlope(task, backbone, batch, gradients, "blocks.1.adaLN_modulation.1.weight");
  }
});

test("drawn to what it looks at anyway there is nothing to learn, also with time turned and blocks computed again", () => {
  for (const reversedTime of [false, true]) {
    const task = taskOf({ ...METHOD, blocks: [3], heads: 2, headSize: 8 }, "linear", reversedTime);
    const { network } = task;
    const params = initTask(task, random);
    const varied = Object.fromEntries(
      Object.entries(params).map(([name, p]) => [name, tf.add(p, normalTensor(random, p.shape).mul(0.1))]),
    );
    const input = task.process.noised(batch);
    const [tokens] = network.features(varied, input, batch.t, batch.condition, { taps: [2] });
    const own = network.queriesAndKeys!(varied, 3, tokens, batch.t, batch.condition);
    const maps = attentionMaps(varied, { ...MODEL, reversedTime }, input, batch.t, batch.condition, 3);
    const least = -tf.mean(tf.sum(tf.mul(maps, tf.log(maps)), -1)).dataSync()[0];
    const given = { ...batch, arrays: { seen: tf.stack(own, 1) } };
    for (const remat of [false, true]) {
      const [loss] = lossesOf(task, varied, varied, given, { remat }).methods;
      assert.ok(Math.abs(loss.dataSync()[0] / least - 1) < 1e-5);
    }
  }
});

test("of an MMDiT the image's tokens among themselves, whatever the caption", async () => {
  const model = {
    ...modelConfig("MMDiT-24"),
    depth: 3,
    hiddenSize: 16,
    numHeads: 2,
    textTokens: 5,
    textWidth: 7,
  };
  const method: AttentionConfig = { ...METHOD, blocks: [2], heads: 2 };
  const task = makeTask({ model: { ...model, inputSize: 8 }, process: SIT_PROCESS, methods: [method] });
  const params = initTask(task, random);
  const arrays = { seen: normalTensor(random, [4, 2, 2, 16, 6]) };
  const context = normalTensor(random, [4, 5, 7]);
  const given: Batch = { ...batch, condition: { context }, arrays };
  const { network } = task;
  const tokens = normalTensor(random, [4, 16, 16]);
  const [q, k] = network.queriesAndKeys!(params, 2, tokens, given.t, {});
  assert.equal(
    [q.shape, k.shape],
    [
      [4, 2, 16, 8],
      [4, 2, 16, 8],
    ],
  );
  for (const { gradients } of await bothWays(task, params, given)) {
    checkSlope(task, params, given, gradients, "joint_blocks.1.x_block.attn.qkv.weight");
    checkSlope(task, params, given, gradients, "joint_blocks.0.context_block.attn.qkv.weight");
  }
});

test("HASTE's presets end after 250,000 steps; faults", () => {
  const of = (name: "haste-features" | "haste-attention", depth: number) =>
    methodPreset(name, { depth, process: SIT_PROCESS });
  for (const name of ["haste-features", "haste-attention"] as const)
    assert.equal(
      [249_999, 250_000].map((step) => scheduleAt(of(name, 28).weight, step)),
      [0.5, 0],
    );
  const { blocks } = of("haste-attention", 28) as AttentionConfig;
  assert.equal(blocks, [5, 6, 7, 8]);
  const task = makeTask({
    model: modelConfig("SiT-XL/2"),
    process: SIT_PROCESS,
    methods: [of("haste-features", 28), of("haste-attention", 28)],
  });
  assert.equal(
    task.methods.flatMap(({ faults }) => faults),
    [],
  );
  assert.equal(task.methods[1].arrays, { "dinov2-attention": [8, 12, 256, 64] });
  assert.equal(taskOf({ ...METHOD, blocks: [1, 5], heads: 3 }).methods[0].faults, [
    ["blocks.0", "from 2 to the model's depth 4"],
    ["blocks.1", "from 2 to the model's depth 4"],
    ["heads", "at most the model's 2"],
  ]);
});

test.run();
