/** A process that samples on a GPU and by onnxruntime, guided, and prints how far they are apart as JSON. */
import { SIT_PROCESS } from "../../../lib/diffusion/index.ts";
import { useTarget } from "../../../lib/jit/targets/index.ts";
import { makeNetwork } from "../../../lib/models/index.ts";
import { sampleGenerator } from "../../../lib/samplers/index.ts";
import { mapParams, normalTensor, randomGenerator, type Tensor, tf } from "../../../lib/tensor/index.ts";
import { smallConfig } from "../../train/small.ts";
import { GPU_TARGET } from "./target.ts";

const network = makeNetwork(smallConfig().model);
const random = randomGenerator(3);
const params = mapParams(network.init(random), (p) =>
  tf.tidy(() => tf.add(p, tf.mul(normalTensor(random, p.shape), 0.1)) as Tensor),
);
const results: Float32Array[] = [];
for (const target of ["cpu", GPU_TARGET] as const) {
  useTarget(target);
  const generator = sampleGenerator(network, SIT_PROCESS);
  const { data } = await generator.generate(params, {
    labels: [0, 1],
    sampler: "heun",
    steps: 9,
    guidance: { scale: 2 },
    seed: 5,
  });
  results.push(data);
  await generator.dispose();
}
const [expected, actual] = results;
const scale = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
const worst = expected.reduce((most, x, i) => Math.max(most, Math.abs(x - actual[i])), 0) / scale;
console.log(JSON.stringify({ worst, scale }));
process.exit(0);
