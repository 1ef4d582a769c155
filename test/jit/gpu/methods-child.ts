/**
 * A process that takes two training steps of every method that has a name, as SiT and as DiT, on a GPU and by onnxruntime,
 * and prints where they differ as a line of JSON for each.
 */
import { METHOD_NAMES, type MethodConfig, type MethodName, methodPreset } from "../../../lib/align/index.ts";
import { DIT_PROCESS, makeProcess, type ProcessConfig, SIT_PROCESS } from "../../../lib/diffusion/index.ts";
import { normalTensor, randomGenerator } from "../../../lib/tensor/index.ts";
import { makeTask } from "../../../lib/train/index.ts";
import { smallConfig } from "../../train/small.ts";
import { trainOnBoth } from "./both.ts";

const STEPS = 2;
const BATCH = 3;

/** As its preset has it; what does not follow from the network's size is narrower. */
function methodOf(name: MethodName, process: ProcessConfig): MethodConfig {
  const method = methodPreset(name, { depth: 3, process });
  if (method.method === "attention")
    return { ...method, blocks: [2, 3], array: "seen", heads: 2, headSize: 6 };
  if ("headWidth" in method) return { ...method, headWidth: 24 };
  return method.method === "repa"
    ? { ...method, encoders: [{ array: "features", width: 12 }], projectorWidth: 24 }
    : method;
}

const random = randomGenerator(6);
const features = () => ({
  features: normalTensor(random, [BATCH, 16, 12]),
  seen: normalTensor(random, [BATCH, 4, 2, 16, 6]),
});

for (const process of [SIT_PROCESS, DIT_PROCESS])
  for (const name of METHOD_NAMES) {
    const base = smallConfig({ batchSize: BATCH });
    const outChannels = makeProcess(process).outChannels(base.model.inChannels);
    const model = { ...base.model, depth: 3, patchSize: 2, outChannels };
    const config = { ...base, model, process, methods: [methodOf(name, process)] };
    // Some need times that are not in steps.
    if (makeTask(config).methods[0].faults.length > 0) continue;
    const { worst, metrics } = await trainOnBoth(config, STEPS, features);
    console.log(JSON.stringify({ name: `${name}, ${process.type}`, worst, metrics }));
  }
process.exit(0);
