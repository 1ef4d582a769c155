/** Samplers against those of the published code (fixtures), step by step and as one compiled loop. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  DIT_PROCESS,
  type ProcessConfig,
  respacedTimesteps,
  SIT_PROCESS,
} from "../../lib/diffusion/index.ts";
import { type NdArray, readNpz, readSafetensors, scalarOf, tensorsOf } from "../../lib/io/index.ts";
import { makeNetwork, type NetworkConfig } from "../../lib/models/index.ts";
import {
  type GenerateOptions,
  networkPredictor,
  type SamplerName,
  sample,
  sampleGenerator,
} from "../../lib/samplers/index.ts";
import { type Tensor, tf } from "../../lib/tensor/index.ts";
import { fixture } from "../io/helpers.ts";
import { relativeError } from "../parity.ts";

const TINY: NetworkConfig = {
  inputSize: 8,
  patchSize: 2,
  inChannels: 4,
  hiddenSize: 24,
  depth: 4,
  numHeads: 3,
  mlpRatio: 4,
  numClasses: 10,
  qkNorm: false,
};

type Case = [expected: string, SamplerName, noise?: string, guidance?: GenerateOptions["guidance"]];

async function compare(
  model: string,
  file: string,
  config: NetworkConfig,
  process: ProcessConfig,
  stepsOf: (given: Record<string, NdArray>) => Pick<GenerateOptions, "steps" | "grid">,
  cases: readonly Case[],
): Promise<void> {
  const network = makeNetwork(config);
  const all = tensorsOf((await readSafetensors(fixture(model))).tensors);
  const params = Object.fromEntries(Object.keys(network.shapes).map((name) => [name, all[name]]));
  const { note_cfg: _, ...given } = await readNpz(fixture(file));
  const tensors = tensorsOf(given);
  const { latents } = tensors;
  const y = tf.cast(tensors.y, "int32");
  const options = stepsOf(given);
  const generator = sampleGenerator(network, process);
  for (const [expected, sampler, drawn, guidance] of cases) {
    // Of noise that the reference drew for both halves of a guided batch the first half was used.
    const noise = drawn
      ? tf.slice(tensors[drawn], [0, 0, 0, 0, 0], [options.steps - 1, ...latents.shape])
      : undefined;
    test(`${expected}`, async () => {
      const predict = networkPredictor(network, params, { condition: { y }, guidance });
      const plain = await sample(sampler, predict, latents, {
        ...options,
        process,
        ...(noise && { noise: (index: number) => tf.gather(noise, index) as Tensor }),
      });
      assert.ok(relativeError(plain, tensors[expected]) < 1e-3, `${relativeError(plain, tensors[expected])}`);
      const made = await generator.generate(params, {
        ...options,
        labels: y.dataSync(),
        sampler,
        guidance,
        latents,
        noise,
      });
      assert.ok(relativeError(made, tensors[expected]) < 1e-3, `${relativeError(made, tensors[expected])}`);
    });
  }
  test.after(() => generator.dispose());
}

await compare(
  "sit-model.safetensors",
  "sit-samplers.npz",
  TINY,
  SIT_PROCESS,
  (given) => ({ steps: scalarOf(given.num_steps) }),
  [
    ["euler", "euler"],
    ["heun", "heun"],
    ["euler_cfg1.8_interval0_0.7", "euler", undefined, { scale: 1.8, interval: [0, 0.7] }],
    ["heun_cfg4", "heun", undefined, { scale: 4 }],
    ["euler_maruyama", "euler-maruyama", "eps_euler_maruyama"],
    [
      "euler_maruyama_cfg1.8_interval0_0.7",
      "euler-maruyama",
      "eps_euler_maruyama_cfg",
      { scale: 1.8, interval: [0, 0.7] },
    ],
  ],
);

await compare(
  "dit-model.safetensors",
  "dit-samplers.npz",
  { ...TINY, outChannels: 8 },
  DIT_PROCESS,
  (given) => {
    const grid = String(scalarOf(given.timestep_respacing));
    return { steps: respacedTimesteps(grid).length, grid };
  },
  [
    ["ddpm", "ddpm", "eps_ddpm"],
    ["ddim_eta0", "ddim"],
    ["ddpm_cfg4", "ddpm", "eps_ddpm_cfg4", { scale: 4, channels: 3 }],
  ],
);

test.run();
