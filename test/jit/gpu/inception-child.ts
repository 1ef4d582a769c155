/**
 * A process that runs the FID network on a GPU and by onnxruntime, on an image smaller than its own, of which a GPU that the
 * processor plays would take minutes, and prints where they differ as a line of JSON.
 */
import { jit } from "../../../lib/jit/index.ts";
import { foldInception, inception } from "../../../lib/metrics/index.ts";
import { normalTensor, type Params, randomGenerator, type Tensor } from "../../../lib/tensor/index.ts";
import { formulaWeights } from "../../metrics/formula-weights.ts";
import { errorOf } from "../../metrics/images.ts";
import { GPU_TARGET } from "./target.ts";

/** The least whose last blocks still have a pixel. */
const SIDE = 75;

const params = foldInception(formulaWeights());
const x = normalTensor(randomGenerator(3), [1, 3, SIDE, SIDE]);
const run = (target: "cpu" | typeof GPU_TARGET) =>
  jit((params: Params, x: Tensor) => inception(params, x), { target })(params, x);
const [expected, actual] = [await run("cpu"), await run(GPU_TARGET)];
const errors: Record<string, number> = {};
for (const name of ["pool", "logits", "spatial"] as const)
  errors[name] = errorOf(
    (await actual[name].data()) as Float32Array,
    (await expected[name].data()) as Float32Array,
  );
console.log(JSON.stringify(errors));
process.exit(0);
