/** Guided sampling of a few images by 50 steps of Euler's method, as `peer.py sample` has it. */
import { SIT_PROCESS } from "../../lib/diffusion/index.ts";
import { useTarget } from "../../lib/jit/targets/index.ts";
import { makeNetwork, modelConfig } from "../../lib/models/index.ts";
import { sampleGenerator } from "../../lib/samplers/index.ts";
import { randomGenerator, tf } from "../../lib/tensor/index.ts";
import { type GpuTarget, openGpu } from "./open.ts";
import { attempt, median } from "./report.ts";

const [IMAGES, STEPS, SCALE] = [
  Number(process.env.GPU_IMAGES ?? 8),
  Number(process.env.GPU_SAMPLER_STEPS ?? 50),
  4,
];

async function timed(target: GpuTarget, name: Parameters<typeof modelConfig>[0]) {
  const network = makeNetwork(modelConfig(name));
  const params = network.init(randomGenerator(1));
  const generator = sampleGenerator(network, SIT_PROCESS);
  const device = await openGpu(target);
  const seconds: number[] = [];
  for (let round = 0; round < 6; round++) {
    const start = performance.now();
    const labels = Array.from({ length: IMAGES }, (_, i) => i);
    const options = {
      labels,
      sampler: "euler" as const,
      steps: STEPS,
      guidance: { scale: SCALE },
      seed: round,
    };
    await generator.generate(params, options);
    await device.done();
    seconds.push((performance.now() - start) / 1000);
  }
  await generator.dispose();
  tf.dispose(params);
  // The first one compiles, the second one records.
  return { ms: 1000 * median(seconds.slice(2)), firstSeconds: seconds[0] };
}

export async function sampling(target: GpuTarget): Promise<void> {
  useTarget(target);
  for (const name of (process.env.GPU_SAMPLING ?? "SiT-B/2 SiT-XL/2").split(" "))
    await attempt("sampling", { target, name, images: IMAGES, steps: STEPS }, () =>
      timed(target, name as Parameters<typeof modelConfig>[0]),
    );
}
