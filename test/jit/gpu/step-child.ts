/** A process that trains on a GPU and by onnxruntime side by side, and prints where they differ as JSON. */
import { methodPreset } from "../../../lib/align/index.ts";
import { SIT_PROCESS } from "../../../lib/diffusion/index.ts";
import { smallConfig } from "../../train/small.ts";
import { trainOnBoth } from "./both.ts";

const [, , method, steps] = process.argv;
const base = smallConfig({ batchSize: 3 });
// Odd sizes: width 20 in two heads of 10, patches of 2.
const model = { ...base.model, hiddenSize: 20, depth: 3, patchSize: 2 };
const methods = method === "none" ? [] : [methodPreset(method as "sra", { depth: 3, process: SIT_PROCESS })];
console.log(JSON.stringify(await trainOnBoth({ ...base, model, methods }, Number(steps))));
process.exit(0);
