/** What steps cost, measured in turns. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { readJson } from "../../lib/experiments/arm-run.ts";
import { type Cost, costsOf } from "../../lib/reproduce/costs.ts";
import { experimentsNamed, type ModelSetting } from "../../lib/reproduce/index.ts";
import { configsOf } from "../../lib/reproduce/plan.ts";
import { tf } from "../../lib/tensor/index.ts";
import { dataset } from "../experiments/least.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { scale } from "./tiniest.ts";

const experiments = experimentsNamed("table7", scale);
const configOf = configsOf({ scale, images: dataset.train });
const sit: ModelSetting = { family: "SiT", size: "B" };
const quiet = { begin() {}, update() {}, end() {}, note() {} };

test("costs that a run began with stay, and new ones are scaled as these have changed", async () => {
  const file = join(await temporaryFolder(), "costs.json");
  const before = tf.memory().numTensors;
  const measured = (await costsOf(experiments, configOf, { file, reporter: quiet }))!;
  assert.is(tf.memory().numTensors, before);
  const costs = await readJson<Record<string, Cost>>(file, {});
  assert.is(Object.keys(costs).length, 4, "SiT and DiT, without and with SRA");
  for (const { seconds, flops, memory } of Object.values(costs))
    assert.ok(seconds > 0 && flops > 0 && memory > 0);
  assert.ok(measured({ ...sit, sra: "paper" }).flops > 1.1 * measured(sit).flops);

  // A machine on which a step took a thousand times as long.
  const [name] = Object.entries(costs).find(([, cost]) => cost.seconds === measured(sit).seconds)!;
  const slow = { ...costs[name], seconds: 1000 * costs[name].seconds };
  await writeFile(file, JSON.stringify({ [name]: slow }));
  const again = (await costsOf(experiments, configOf, { file, reporter: quiet }))!;
  assert.equal(again(sit), slow);
  const ratio = again({ ...sit, sra: "paper" }).seconds / slow.seconds;
  assert.ok(ratio > 0.2 && ratio < 20, `${ratio}`);

  // Nothing is left to measure.
  const begun: string[] = [];
  await costsOf(experiments, configOf, {
    file,
    reporter: { ...quiet, begin: (label) => void begun.push(label) },
  });
  assert.equal(begun, []);
});

test("a signal ends the measuring, and nothing is written", async () => {
  const file = join(await temporaryFolder(), "costs.json");
  const before = tf.memory().numTensors;
  const stopped = await costsOf(experiments, configOf, {
    file,
    reporter: quiet,
    signal: AbortSignal.abort(),
  });
  assert.is(stopped, undefined);
  assert.is(tf.memory().numTensors, before);
  assert.equal(await readJson(file, "none"), "none");
});

test.run();
