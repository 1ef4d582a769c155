/** What a network is trained on: data, noised to a time, and the error of what the network says of it. */
import type { RandomGenerator } from "../tensor/random.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { betaSchedule, type DiffusionConfig, gaussianDiffusion, noisedAt } from "./gaussian.ts";
import { hybridLoss } from "./hybrid-loss.ts";
import { type InterpolantName, interpolate, velocityTarget } from "./interpolants.ts";

/** Clean data [B,C,H,W], standard normal noise of its shape, and a time for each sample [B]. */
export interface NoisedBatch {
  x: Tensor;
  noise: Tensor;
  t: Tensor;
}

export interface Objective {
  /** The network's input x_t [B,C,H,W]. */
  noised(batch: NoisedBatch): Tensor;
  /** The less noisy times [B] that SRA's teacher sees, k before t. */
  teacherTimes(t: Tensor, k: Tensor): Tensor;
  /** The loss of each sample [B], from the network's output on its input. */
  loss(output: Tensor, input: Tensor, batch: NoisedBatch): Tensor;
}

/** SiT's: the mean squared error of the velocity, times in [0, 1]; the teacher's are max(t - k, 0). */
const velocityObjective = (interpolant: InterpolantName): Objective => ({
  noised: ({ x, noise, t }) => interpolate(interpolant, x, noise, t),
  teacherTimes: (t, k) => tf.maximum(tf.sub(t, k), 0),
  loss: (output, _input, { x, noise, t }) =>
    tf.mean(tf.squaredDifference(output, velocityTarget(interpolant, x, noise, t)), [1, 2, 3]),
});

/** DiT's: the hybrid loss, with steps 0 to T-1 for times; the teacher's are t - k, from 1 to T-1. */
function diffusionObjective(config: DiffusionConfig): Objective {
  const diffusion = gaussianDiffusion(betaSchedule(config.schedule, config.steps));
  return {
    noised: (batch) => noisedAt(diffusion, batch),
    teacherTimes: (t, k) => tf.clipByValue(tf.sub(t, k), 1, config.steps - 1),
    loss: (output, input, batch) => {
      const { mse, vb } = hybridLoss(diffusion, config, output, input, batch);
      return vb ? tf.add(mse, vb) : mse;
    },
  };
}

/** `count` training steps as float32, each of 0 to T-1 as likely as the others. */
export const drawSteps = (
  random: RandomGenerator,
  count: number,
  { steps }: Pick<DiffusionConfig, "steps">,
): Float32Array<ArrayBuffer> => random.uniforms(count).map((u) => Math.floor(u * steps));

/** A DiT's objective, if it has a diffusion process; otherwise that of a SiT on an interpolant. */
export const objectiveOf = (
  diffusion: DiffusionConfig | undefined,
  interpolant: InterpolantName,
): Objective => (diffusion ? diffusionObjective(diffusion) : velocityObjective(interpolant));
