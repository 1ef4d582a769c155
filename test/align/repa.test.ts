/** REPA against the numbers of its published code. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { methodPreset } from "../../lib/align/index.ts";
import { SIT_PROCESS } from "../../lib/diffusion/index.ts";
import { scalarOf, tensorsOf } from "../../lib/io/index.ts";
import { randomGenerator, tf } from "../../lib/tensor/index.ts";
import { initTask, makeTask, taskShapes } from "../../lib/train/index.ts";
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
    assert.ok(Math.abs(total / scalarOf(given["linear.total"]) - 1) < 1e-5);
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

test.run();
