/** SRA 2 against numbers written from its paper, and what standardizing both sides comes to. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { methodPreset, type SRA2Config } from "../../lib/align/index.ts";
import { SIT_PROCESS } from "../../lib/diffusion/index.ts";
import { tensorsOf, toFloat64 } from "../../lib/io/index.ts";
import { modelConfig } from "../../lib/models/index.ts";
import { tf } from "../../lib/tensor/index.ts";
import { headShapes, lossesOf, makeTask } from "../../lib/train/index.ts";
import { arrays, weights } from "../parity.ts";
import { backbone, batchAt, bothWays, close, taskOf } from "./methods.ts";

const given = await arrays("methods/sra2-loss.npz");
const params = { ...backbone, ...(await weights("methods/sra2-head.safetensors")) };
const SRA2: SRA2Config = {
  ...{ method: "sra2", weight: 1, block: 1, headLayers: 5, headRatio: 2 },
  ...{ distance: "smooth-l1", beta: 0.05 },
};
const batch = batchAt(tensorsOf({ t: given.t }).t);
const mean = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((a, b) => a + b) / values.length;

test("the loss and the gradients, eager and compiled", async () => {
  const expected = await arrays("methods/sra2-grads.npz");
  for (const { generative, method, losses, gradients } of await bothWays(taskOf(SRA2), params, batch)) {
    close(generative, given.gen_loss, 1e-4, "generative");
    close(method, [mean(toFloat64(given.align_sml1))], 1e-4, "align");
    const total = losses.generative.dataSync()[0] + losses.sra2.dataSync()[0];
    close([total], given.total, 1e-4, "total");
    for (const [name, gradient] of Object.entries(expected)) close(gradients[name], gradient, 1e-3, name);
  }
});

test("by the cosine of each token's numbers", () => {
  const task = taskOf({ ...SRA2, distance: "cosine", cosineAxis: "feature" });
  const { methods } = lossesOf(task, params, params, batch);
  close(methods[0], [mean(toFloat64(given.align_cos))], 1e-4, "align");
});

test("standardized, latents of another scale and mean are the same target", () => {
  const of = (method: SRA2Config, x = batch.x) =>
    lossesOf(taskOf(method), params, params, { ...batch, x }).methods[0].dataSync()[0];
  const standardized = { ...SRA2, standardize: true };
  // The student's side moves with its input, so only the target's is held against another: at t = 1 it sees noise alone.
  const pure = { ...batch, t: tf.ones([4]) };
  const at = (x = batch.x) =>
    lossesOf(taskOf(standardized), params, params, { ...pure, x }).methods[0].dataSync()[0];
  assert.ok(Math.abs(at() / at(tf.add(tf.mul(batch.x, 30), 7)) - 1) < 1e-4);
  assert.ok(of(SRA2, tf.mul(batch.x, 30)) > 5 * of(SRA2), "as it stands it swamps the other loss");
  // Of standardized sides the mean square distance is 2 - 2 times their correlation, and so within [0, 4].
  const squares = of({ ...standardized, distance: "l2" });
  assert.ok(squares > 0 && squares < 4, `${squares}`);
});

test("heads have the sizes that the paper gives", () => {
  for (const [name, block, millions] of [
    ["SiT-B/2", 2, 8.3],
    ["SiT-XL/2", 8, 18.6],
  ] as const) {
    const model = modelConfig(name);
    const preset = methodPreset("sra2", { depth: model.depth, process: SIT_PROCESS });
    assert.is((preset as SRA2Config).block, block);
    const shapes = headShapes(makeTask({ model, process: SIT_PROCESS, methods: [preset] }));
    const count = Object.values(shapes).reduce((sum, shape) => sum + shape.reduce((a, b) => a * b), 0);
    assert.ok(Math.abs(count / 1e6 - millions) < 0.05, `${name}: ${count}`);
  }
});

test.run();
