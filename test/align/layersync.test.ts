/** LayerSync against the numbers of its published code, which counts time as the original SiT does. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { toFloat64 } from "../../lib/io/index.ts";
import { arrays } from "../parity.ts";
import { backbone, batchAt, bothWays, close, fromSit, normsOf, taskOf } from "./methods.ts";

const given = await arrays("methods/layersync-loss.npz");
const SYNC = { method: "layersync", weight: 0.2, block: 1, targetBlock: 3 } as const;

test("the loss, and the norm of every gradient", async () => {
  const task = taskOf(SYNC, "linear", true);
  const regular = toFloat64(given.reg);
  const mean = regular.reduce((sum, value) => sum + value, 0) / regular.length;
  for (const { generative, method, losses, gradients } of await bothWays(
    task,
    backbone,
    batchAt(fromSit(given.t_sit)),
  )) {
    close(generative, given.gen_loss, 1e-4, "generative");
    close(method, [mean], 1e-4, "regularization");
    const total = losses.generative.dataSync()[0] + 0.2 * losses.layersync.dataSync()[0];
    close([total], given.total, 1e-4, "total");
    close(normsOf(gradients), given.grad_norms, 1e-3, "norms");
  }
});

test("blocks must be apart, the target the deeper one", () => {
  const faults = (block: number, targetBlock: number) =>
    taskOf({ ...SYNC, block, targetBlock }).methods[0].faults;
  assert.equal(faults(1, 3), []);
  // The released command's defaults.
  assert.equal(faults(2, 2), [["targetBlock", "above block 2"]]);
  assert.equal(faults(1, 5), [["targetBlock", "from 1 to the model's depth 4"]]);
});

test.run();
