/** A process that trains and measures the least comparison on a device, and prints what came of it as a line of JSON. */

import { type Device, useDevice } from "../../lib/devices/index.ts";
import { scaleConfig } from "../../lib/experiments/index.ts";
import { tf } from "../../lib/tensor/index.ts";
import { dataset, run, scale } from "../experiments/least.ts";
import { temporaryFolder } from "../io/helpers.ts";

const [, , device] = process.argv;
process.env.DITLAB_HOME = await temporaryFolder();
await useDevice(device as Device);
const before = tf.memory().numTensors;
const layerSync = { method: "layersync", weight: 0.2, block: 1, targetBlock: 2 } as const;
const arms = [
  { name: "plain", label: "SiT", config: (seed: number) => scaleConfig(scale, dataset, [], seed) },
  {
    name: "sync",
    label: "SiT, layersync",
    config: (seed: number) => scaleConfig(scale, dataset, [layerSync], seed),
  },
];
const results = await run(await temporaryFolder(), arms, { scale: { ...scale, seeds: [0] } });
const { gpu } = results!.machine;
const runs = results!.arms.flatMap((arm) => arm.runs);
const numbers = runs.flatMap(({ curve, evaluations: [{ metrics, probe }] }) => [
  ...Object.values(curve.losses).flat(),
  metrics.frechet,
  metrics.inceptionScore,
  ...probe[0].accuracy,
]);
console.log(JSON.stringify({ gpu, left: tf.memory().numTensors - before, numbers }));
process.exit(0);
