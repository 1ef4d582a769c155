/**
 * SD-VAE with random weights, compiled: an image of 256x256 decoded from its latents, and encoded.
 * On a quiet machine: npm run bench:vae [-- --json] [--profile]
 */
import { parseArgs } from "node:util";
import { jit } from "../lib/jit/index.ts";
import { normalTensor, type Params, randomGenerator, type Tensor } from "../lib/tensor/index.ts";
import { decode, encode, initVAE, SD_VAE } from "../lib/vae/index.ts";

const RUNS = 5;
const { values } = parseArgs({
  options: { json: { type: "boolean", default: false }, profile: { type: "boolean", default: false } },
});
const random = randomGenerator(0);
const params = initVAE(SD_VAE, random);
const cases = {
  decode: { fn: (params: Params, z: Tensor): unknown => decode(params, SD_VAE, z), input: [1, 4, 32, 32] },
  encode: { fn: (params: Params, x: Tensor): unknown => encode(params, SD_VAE, x), input: [1, 3, 256, 256] },
};
const results: Record<string, unknown> = {};
for (const [name, { fn, input }] of Object.entries(cases)) {
  const compiled = jit(fn, { name });
  const x = normalTensor(random, input);
  const { flops, nodes } = compiled.lower([params, x]);
  const seconds: number[] = [];
  for (let i = 0; i <= RUNS; i++) {
    const start = performance.now();
    await compiled(params, x);
    seconds.push((performance.now() - start) / 1000);
  }
  const median = seconds.slice(1).sort((a, b) => a - b)[RUNS >> 1];
  const gigabytes = process.resourceUsage().maxRSS / 1e6;
  results[name] = { seconds: median, first: seconds[0], gflops: flops / median / 1e9, nodes, gigabytes };
  if (values.profile) {
    const { operators, products } = await compiled.profile([params, x]);
    console.error(name, operators.slice(0, 10), products.slice(0, 8));
  }
  await compiled.dispose();
}
if (values.json) console.log(JSON.stringify(results, null, 2));
else console.table(results);
