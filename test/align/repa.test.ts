/** REPA against the numbers of its published code. */
import type { Tensor4D } from "@tensorflow/tfjs-core";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { methodPreset } from "../../lib/align/index.ts";
import { SIT_PROCESS } from "../../lib/diffusion/index.ts";
import { scalarOf, tensorsOf } from "../../lib/io/index.ts";
import { normalTensor, randomGenerator, type Tensor, tf } from "../../lib/tensor/index.ts";
import { initTask, lossesOf, makeTask, taskShapes } from "../../lib/train/index.ts";
import { arrays, weights } from "../parity.ts";
import { backbone, batchAt, bothWays, close, MODEL, normsOf, taskOf } from "./methods.ts";

const given = await arrays("methods/repa-loss.npz");
const params = { ...backbone, ...(await weights("methods/repa-projectors.safetensors")) };
const REPA = {
  method: "repa",
  weight: 0.5,
  block: 2,
  encoders: [
    { array: "z0", width: 12 },
    { array: "z1", width: 20 },
  ],
  projectorWidth: 24,
} as const;
const batch = batchAt(tensorsOf({ t: given.t }).t, { z0: given.z0, z1: given.z1 });

test("the loss and all gradients, on the linear path", async () => {
  const expected = await arrays("methods/repa-grads.npz");
  const task = taskOf({ ...REPA, encoders: [...REPA.encoders] });
  for (const { generative, method, losses, gradients } of await bothWays(task, params, batch)) {
    close(generative, given["linear.gen_loss"], 1e-4, "generative");
    // The features are random, so the mean cosine is near 0.
    assert.ok(Math.abs(method.dataSync()[0] - scalarOf(given["linear.proj_loss"])) < 1e-5);
    const total = losses.generative.dataSync()[0] + 0.5 * losses.repa.dataSync()[0];
    close([total], given["linear.total"], 1e-5, "total");
    assert.equal(Object.keys(gradients).sort(), Object.keys(expected).sort());
    for (const [name, gradient] of Object.entries(expected)) close(gradients[name], gradient, 1e-3, name);
  }
});

test("the loss and the gradients' norms, on the cosine path", async () => {
  const task = taskOf({ ...REPA, encoders: [...REPA.encoders] }, "cosine");
  const names = Object.keys(await arrays("methods/repa-grads.npz")).sort();
  for (const { generative, method, gradients } of await bothWays(task, params, batch)) {
    close(generative, given["cosine.gen_loss"], 1e-4, "generative");
    assert.ok(Math.abs(method.dataSync()[0] - scalarOf(given["cosine.proj_loss"])) < 1e-5);
    close(normsOf(gradients, names), given["cosine.grad_norms"], 1e-3, "norms");
  }
});

test("projectors have the published names, and begin as SiT's linear layers do", () => {
  const task = makeTask({
    model: MODEL,
    process: SIT_PROCESS,
    methods: [methodPreset("repa", { depth: 4, process: SIT_PROCESS })],
  });
  const names = Object.keys(taskShapes(task));
  assert.equal(names.slice(names.indexOf("projectors.0.0.weight"), -4), [
    ...[0, 2, 4].flatMap((layer) => [`projectors.0.${layer}.weight`, `projectors.0.${layer}.bias`]),
  ]);
  assert.equal(taskShapes(task)["projectors.0.4.weight"], [768, 2048]);
  const weight = initTask(task, randomGenerator(1))["projectors.0.2.weight"];
  const most = tf.max(tf.abs(weight)).dataSync()[0];
  const bound = Math.sqrt(6 / (2048 + 2048));
  assert.ok(most <= bound && most > 0.999 * bound, `${most}`);
  assert.equal(task.methods[0].arrays, { dinov2: [16, 768] });
});

test("iREPA: a convolution over the grid of tokens, and features normalized over them, by hand", async () => {
  const random = randomGenerator(8);
  const method = {
    ...REPA,
    encoders: [REPA.encoders[0]],
    projector: "convolution",
    targetNorm: 0.6,
  } as const;
  const task = taskOf({ ...method, encoders: [...method.encoders] });
  assert.equal(task.methods[0].parameters!.shapes, {
    "projectors.0.weight": [12, 16, 3, 3],
    "projectors.0.bias": [12],
  });
  const projector = {
    "projectors.0.weight": normalTensor(random, [12, 16, 3, 3]),
    "projectors.0.bias": normalTensor(random, [12]),
  };
  const input = task.process.noised(batch);
  const [tokens] = task.network.features(backbone, input, batch.t, batch.condition, { taps: [2] });
  // PyTorch's Conv2d is this one of TensorFlow's, with the weights' axes in its order.
  const grid = tf.reshape(tokens, [4, 4, 4, 16]) as Tensor4D;
  const filter = tf.transpose(projector["projectors.0.weight"], [2, 3, 1, 0]) as Tensor4D;
  const sums = tf.add(tf.conv2d(grid, filter, 1, "same"), projector["projectors.0.bias"]);
  const z = tensorsOf({ z: given.z0 }).z;
  const { mean, variance } = tf.moments(z, 1, true);
  const deviation = tf.sqrt(tf.mul(variance, 16 / 15));
  const target = tf.div(tf.sub(z, tf.mul(mean, 0.6)), tf.add(deviation, 1e-6));
  const rows = (x: Tensor) => tf.reshape(x, [4, 16, 12]);
  const unit = (x: Tensor) => tf.div(rows(x), tf.norm(rows(x), "euclidean", 2, true));
  const expected = -tf.mean(tf.sum(tf.mul(unit(sums), unit(target)), 2)).dataSync()[0];
  const own = { ...backbone, ...projector };
  for (const { method, gradients } of await bothWays(task, own, batch)) {
    assert.ok(Math.abs(method.dataSync()[0] - expected) < 1e-5, `${method.dataSync()[0]}, ${expected}`);
    // A step along the gradient lowers the loss by as much as it says.
    const step = 1e-2;
    const weight = projector["projectors.0.weight"];
    const slope = gradients["projectors.0.weight"];
    const moved = (sign: number) => {
      const at = { ...own, "projectors.0.weight": tf.add(weight, tf.mul(slope, sign * step)) };
      return lossesOf(task, at, at, batch).methods[0].dataSync()[0];
    };
    const rise = (0.5 * (moved(1) - moved(-1))) / (2 * step);
    const square = tf.sum(tf.square(slope)).dataSync()[0];
    assert.ok(Math.abs(rise / square - 1) < 0.02, `${rise}, ${square}`);
  }
  const preset = methodPreset("irepa", { depth: 28, process: SIT_PROCESS });
  assert.equal([preset.weight, "block" in preset && preset.block], [1, 8]);
});

test.run();
