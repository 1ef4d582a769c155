/** Samplers of a discrete diffusion process, from noise to data: DDPM's ancestral one, and DDIM's. */
import { type DiffusionConfig, type GaussianDiffusion, splitOutput } from "../diffusion/gaussian.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import type { SamplerOptions } from "./euler.ts";

/** A network's output [B,C or 2C,H,W] for a batch x at one step of its own schedule. */
export type Denoiser = (x: Tensor, t: number) => Tensor | Promise<Tensor>;

export interface GaussianOptions extends Pick<SamplerOptions, "onStep"> {
  /** The steps taken; `respace` makes it of the process trained on. */
  diffusion: GaussianDiffusion;
  /** What the network predicts. */
  config: DiffusionConfig;
  /** Standard normal noise of x's shape for a step, counted from 0; the last step draws none. */
  noise: (index: number, shape: number[]) => Tensor;
  /** Clamp the predicted data to [-1, 1]: for pixels, not for latents. */
  clip?: boolean;
}

/** The numbers of one step. */
export interface GaussianStep<N = number> {
  /** The network's own step. */
  t: N;
  /** x_0 = scale * x - spread * noise. */
  scale: N;
  spread: N;
  /** DDPM: the mean's coefficients of x_0 and x. DDIM: those of x_0 and of the noise. */
  mean: readonly [data: N, other: N];
  /** DDPM: the least and the largest log variance. DDIM: unused. */
  logVariance: readonly [least: N, most: N];
  /** What the noise is multiplied by, beside DDPM's deviation; 0 in the last step. */
  noise: N;
}

export type GaussianKind = "ddpm" | "ddim";

/** The numbers of all steps, from the noisiest on. `eta` is DDIM's noise: 0 is none, 1 as much as DDPM's. */
export function gaussianSteps(
  { alphasCumprod, betas, timesteps, ...posterior }: GaussianDiffusion,
  kind: GaussianKind,
  eta = 0,
): GaussianStep[] {
  const clipped = posterior.posteriorLogVarianceClipped;
  return Array.from({ length: betas.length }, (_, i) => {
    const step = betas.length - 1 - i;
    const alpha = alphasCumprod[step];
    const numbers = {
      t: timesteps[step],
      scale: Math.sqrt(1 / alpha),
      spread: Math.sqrt(1 / alpha - 1),
    };
    if (kind === "ddim") {
      const before = step === 0 ? 1 : alphasCumprod[step - 1];
      const sigma = eta * Math.sqrt((1 - before) / (1 - alpha)) * Math.sqrt(1 - alpha / before);
      const mean = [Math.sqrt(before), Math.sqrt(1 - before - sigma ** 2)] as const;
      return { ...numbers, mean, logVariance: [0, 0], noise: step === 0 ? 0 : sigma };
    }
    return {
      ...numbers,
      mean: [posterior.posteriorMeanCoef1[step], posterior.posteriorMeanCoef2[step]],
      logVariance: [clipped[step], Math.log(betas[step])],
      noise: step === 0 ? 0 : 1,
    };
  });
}

/** One step from x and the network's output; `noise` is standard normal, of x's shape, or absent in the last step. */
export function gaussianAdvance(
  x: Tensor,
  output: Tensor,
  step: GaussianStep<number | Tensor>,
  config: DiffusionConfig,
  kind: GaussianKind,
  clip: boolean,
  noise?: Tensor,
): Tensor {
  return tf.tidy(() => {
    const { prediction, variance } = splitOutput(config, output);
    const predicted =
      config.prediction === "data"
        ? prediction
        : tf.sub(tf.mul(x, step.scale), tf.mul(prediction, step.spread));
    const data = clip ? tf.clipByValue(predicted, -1, 1) : predicted;
    const implied = (): Tensor => tf.div(tf.sub(tf.mul(x, step.scale), data), step.spread);
    const [first, second] = step.mean;
    const mean = tf.add(tf.mul(data, first), tf.mul(kind === "ddpm" ? x : implied(), second));
    if (!noise) return mean;
    if (kind === "ddim") return tf.add(mean, tf.mul(noise, step.noise));
    const [least, most] = step.logVariance;
    // A variance that is not learned is the largest.
    const share = variance ? tf.mul(tf.add(variance, 1), 0.5) : 1;
    const logVariance = tf.add(tf.mul(share, most), tf.mul(tf.sub(1, share), least));
    return tf.add(mean, tf.mul(tf.mul(tf.exp(tf.mul(logVariance, 0.5)), noise), step.noise));
  });
}

async function sample(
  denoiser: Denoiser,
  x: Tensor,
  { diffusion, config, noise, clip = false, onStep }: GaussianOptions,
  kind: GaussianKind,
  eta = 0,
): Promise<Tensor> {
  const steps = gaussianSteps(diffusion, kind, eta);
  for (const [i, step] of steps.entries()) {
    const output = await denoiser(x, step.t);
    const drawn = step.noise > 0 ? noise(i, x.shape) : undefined;
    x = gaussianAdvance(x, output, step, config, kind, clip, drawn);
    onStep?.(i + 1, steps.length);
  }
  return x;
}

/** DDPM's ancestral sampler: each step draws from the posterior. `x` is noise [B,C,H,W]; returns data of that shape. */
export const ddpmSampler = (denoiser: Denoiser, x: Tensor, options: GaussianOptions): Promise<Tensor> =>
  sample(denoiser, x, options, "ddpm");

/** DDIM's sampler, which adds no noise unless `eta` is above 0. `x` is noise [B,C,H,W]; returns data of that shape. */
export const ddimSampler = (
  denoiser: Denoiser,
  x: Tensor,
  { eta = 0, ...options }: GaussianOptions & { eta?: number },
): Promise<Tensor> => sample(denoiser, x, options, "ddim", eta);
