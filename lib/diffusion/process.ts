/**
 * How data becomes noise, and what a network learns of it: SiT's interpolants with their velocity, or DiT's Gaussian
 * diffusion in steps. The loss of plain generative training is here; nothing else of training is.
 */
import { describedBy } from "../described.ts";
import { oneOf, z } from "../schema.ts";
import type { RandomGenerator } from "../tensor/random.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import {
  betaSchedule,
  type GaussianConfig,
  gaussianConfig,
  gaussianDiffusion,
  noisedAt,
} from "./gaussian.ts";
import { hybridLoss } from "./hybrid-loss.ts";
import { drawTimes, INTERPOLANTS, interpolate, TIME_DISTRIBUTIONS, velocityTarget } from "./interpolants.ts";

/** SiT's process: a path between data and noise, of which the network predicts the velocity. */
export const interpolantConfig = z.strictObject({
  type: z.literal("interpolant"),
  path: oneOf(
    INTERPOLANTS,
    "x_t = (1-t) x + t noise (linear), or cos(pi t/2) x + sin(pi t/2) noise (cosine).",
  ),
  times: oneOf(TIME_DISTRIBUTIONS, "How training times are drawn."),
});
export type InterpolantConfig = z.infer<typeof interpolantConfig>;

export const processConfig = z.discriminatedUnion("type", [interpolantConfig, gaussianConfig]);
export type ProcessConfig = InterpolantConfig | GaussianConfig;

/** The processes of the papers. */
export const SIT_PROCESS: InterpolantConfig = { type: "interpolant", path: "linear", times: "uniform" };
export const DIT_PROCESS: GaussianConfig = {
  type: "gaussian",
  schedule: "linear",
  steps: 1000,
  prediction: "noise",
  learnSigma: true,
};

/** Whether what networks say under two processes means the same: how training times are drawn does not matter. */
export function predictsAlike(a: ProcessConfig, b: ProcessConfig): boolean {
  if (a.type === "interpolant") return b.type === a.type && b.path === a.path;
  const fields = ["schedule", "steps", "prediction", "learnSigma"] as const;
  return b.type === a.type && fields.every((field) => a[field] === b[field]);
}

/** Clean data [B,C,H,W], standard normal noise of its shape, and times [B], or [B,T] of an interpolant's tokens. */
export interface NoisedBatch {
  x: Tensor;
  noise: Tensor;
  t: Tensor;
}

export interface Process {
  readonly config: ProcessConfig;
  /** Channels that a network predicts for so many of its input. */
  outChannels(channels: number): number;
  /** Training times [count], float32: in [0, 1), or whole steps from 0 to T-1. */
  drawTimes(random: RandomGenerator, count: number): Float32Array<ArrayBuffer>;
  /** The network's input x_t [B,C,H,W]. */
  noised(batch: NoisedBatch): Tensor;
  /** The times that are less noisy by k, which is of t's shape or one for each sample [B]; never less noisy than data. */
  earlier(t: Tensor, k: Tensor): Tensor;
  /** The loss of each sample [B], from the network's output on its input. */
  loss(output: Tensor, input: Tensor, batch: NoisedBatch): Tensor;
}

/** t - k, where k [B] may be one for all tokens of a sample: as it stands it would be taken along the tokens. */
function lessBy(t: Tensor, k: Tensor): Tensor {
  if (`${k.shape}` === `${t.shape}` || k.rank === 0) return tf.sub(t, k);
  if (k.rank !== 1 || k.shape[0] !== t.shape[0])
    throw new Error(
      `how much less noisy times [${t.shape}] are to be must be [${t.shape}], or [${t.shape[0]}], got [${k.shape}]`,
    );
  return tf.sub(t, tf.reshape(k, [-1, ...t.shape.slice(1).map(() => 1)]));
}

/** The mean squared error of the velocity; times are in [0, 1]. */
const interpolantProcess = (config: InterpolantConfig): Process => ({
  config,
  outChannels: (channels) => channels,
  drawTimes: (random, count) => drawTimes(random, count, config.times, config.path),
  noised: ({ x, noise, t }) => interpolate(config.path, x, noise, t),
  earlier: (t, k) => tf.maximum(lessBy(t, k), 0),
  loss: (output, _input, { x, noise, t }) =>
    tf.mean(tf.squaredDifference(output, velocityTarget(config.path, x, noise, t)), [1, 2, 3]),
});

/** The hybrid loss; times are steps 0 to T-1, and the less noisy ones, as in the reference, 1 to T-1. */
function gaussianProcess(config: GaussianConfig): Process {
  const diffusion = gaussianDiffusion(betaSchedule(config.schedule, config.steps));
  return {
    config,
    outChannels: (channels) => (config.learnSigma ? 2 * channels : channels),
    drawTimes: (random, count) => drawSteps(random, count, config),
    noised: (batch) => noisedAt(diffusion, batch),
    earlier: (t, k) => tf.clipByValue(lessBy(t, k), 1, config.steps - 1),
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
  { steps }: Pick<GaussianConfig, "steps">,
): Float32Array<ArrayBuffer> => random.uniforms(count).map((u) => Math.floor(u * steps));

export const makeProcess = (config: ProcessConfig): Process =>
  describedBy(config.type === "gaussian" ? gaussianProcess(config) : interpolantProcess(config), config);
