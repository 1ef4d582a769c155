/** A process that lowers and profiles a function for a GPU, and prints what it is told as JSON. */
import { jit, profile } from "../../../lib/jit/index.ts";
import { gelu } from "../../../lib/nn/index.ts";
import { namedScope, type Tensor, tf, valueAndGrad } from "../../../lib/tensor/index.ts";
import { GPU_TARGET } from "./target.ts";

const network = (w: Tensor, x: Tensor): Tensor =>
  namedScope("layer", () => tf.mean(gelu(tf.dot(tf.tanh(tf.dot(x, w)), w))));
const args: [Tensor, Tensor] = [tf.randomNormal([32, 32]), tf.randomNormal([64, 32])];
const step = jit((w: Tensor, x: Tensor) => valueAndGrad(network)(w, x), { target: GPU_TARGET });
const { plan, flops } = step.lower(args);
await step(...args);
const before = tf.memory().numTensors;
const { seconds, nodes, parts, products, flops: profiled } = await profile(step, { runs: 2 });
console.log(
  JSON.stringify({
    plan: { ...plan!, kernels: plan!.kernels.length, parts: [...new Set(plan!.kernels.map((k) => k.part))] },
    flops,
    profile: { seconds, nodes, flops: profiled, parts: parts.map(({ part }) => part), products },
    leaked: tf.memory().numTensors - before,
    onProcessor: step.lower(args, { target: "cpu" }).plan === undefined,
  }),
);
process.exit(0);
