/** The dispersive loss against the numbers of its published code, and at its ends. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { dispersion } from "../../lib/align/index.ts";
import { tensorsOf, toFloat64 } from "../../lib/io/index.ts";
import { normalTensor, randomGenerator, tf } from "../../lib/tensor/index.ts";
import { arrays } from "../parity.ts";
import { backbone, batchAt, bothWays, close, fromSit, normsOf, taskOf } from "./methods.ts";

const given = await arrays("methods/disp-loss.npz");
const batch = batchAt(fromSit(given.t_sit));

test("the released form: the last block, temperature 1, weight 0.25, and every gradient given", async () => {
  const expected = await arrays("methods/disp-grads.npz");
  const method = { method: "dispersive", weight: 0.25, block: 4, temperature: 1 } as const;
  const [last] = toFloat64(given.disp_by_block).slice(-1);
  for (const result of await bothWays(taskOf(method, "linear", true), backbone, batch)) {
    close(result.generative, given.gen_loss, 1e-4, "generative");
    close(result.method, [last], 1e-4, "dispersion");
    // It is the same number for every sample.
    const loss = Array.from(
      result.generative.dataSync(),
      (value) => value + 0.25 * result.method.dataSync()[0],
    );
    close(loss, given.loss, 1e-4, "loss");
    close(normsOf(result.gradients), given.grad_norms, 1e-3, "norms");
    for (const [name, gradient] of Object.entries(expected))
      close(result.gradients[name], gradient, 1e-3, name);
  }
});

test("every block, at the released temperature and at the paper's", async () => {
  for (const [name, temperature] of [
    ["disp_by_block", 1],
    ["disp_by_block_tau05", 0.5],
  ] as const)
    for (const [i, expected] of toFloat64(given[name]).entries()) {
      const method = { method: "dispersive", weight: 1, block: i + 1, temperature } as const;
      const [{ method: loss }] = await bothWays(taskOf(method, "linear", true), backbone, batch);
      close(loss, [expected], 1e-4, `${name} ${i + 1}`);
    }
});

test("from -log B, where all are apart, to 0, where all are alike, however far from the origin", () => {
  const alike = tf.tile(normalTensor(randomGenerator(1), [1, 4, 3]), [5, 1, 1]);
  assert.ok(Math.abs(dispersion(tf.add(alike, 100), 1).dataSync()[0]) < 1e-6);
  const apart = tf.mul(normalTensor(randomGenerator(2), [5, 4, 3]), 1000);
  assert.ok(Math.abs(dispersion(apart, 1).dataSync()[0] + Math.log(5)) < 1e-6);
  const { last_block } = tensorsOf({ last_block: given.last_block });
  const there = dispersion(last_block, 1).dataSync()[0];
  assert.ok(Math.abs(dispersion(tf.add(last_block, 50), 1).dataSync()[0] - there) < 1e-4);
});

test.run();
