/** A process that loses its GPU in the middle of a training, and prints what came of it as JSON. */
import { join } from "node:path";
import { useDevice } from "../../lib/devices/index.ts";
import { openDevice } from "../../lib/jit/targets/webgpu/device.ts";
import { flattenTree } from "../../lib/tensor/index.ts";
import { training } from "../../lib/train/index.ts";
import { smallConfig, smallImages } from "../train/small.ts";

const [, , folder] = process.argv;
await useDevice("webgpu");
const config = smallConfig({ checkpointEvery: 4 });
const weights = async (state: object): Promise<string> =>
  JSON.stringify(
    await Promise.all(flattenTree(state).map(async ({ tensor }) => Array.from(await tensor.data()))),
  );

const whole = training(config, smallImages(), { folder: join(folder, "whole") });
for await (const _ of whole);
const expected = await weights(whole.state);

const warnings: string[] = [];
const steps: number[] = [];
const run = training(config, smallImages(), {
  folder: join(folder, "lost"),
  onWarning: (message) => warnings.push(message),
});
for await (const { step } of run) {
  steps.push(step);
  if (step === 6 && warnings.length === 0) (await openDevice()).gpu.destroy();
}
const same = (await weights(run.state)) === expected;

const inMemory = training(config, smallImages());
let message = "";
try {
  for await (const { step } of inMemory) if (step === 2) (await openDevice()).gpu.destroy();
} catch (error) {
  message = (error as Error).message;
}
console.log(JSON.stringify({ warnings, steps, same, inMemory: message }));
process.exit(0);
