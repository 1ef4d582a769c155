/** Samplers of a discrete diffusion process, from noise to data: DDPM's ancestral one, and DDIM's. */
import { type GaussianConfig, type GaussianDiffusion, splitOutput } from "../diffusion/gaussian.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import {
  type Sampler,
  type SamplerOptions,
  type Step,
  sampled,
  sampledSync,
  type Velocity,
} from "./steps.ts";

/**
 * A network's output [B,C or 2C,H,W] for a batch x at one step t of its own schedule, of which `stepTime` is the share
 * t / T: `classVelocity` is one.
 */
export type Denoiser<V = Tensor | Promise<Tensor>> = Velocity<V>;

export interface GaussianOptions extends Pick<SamplerOptions, "onStep"> {
  /** The steps taken; `respace` makes it of the process trained on. */
  diffusion: GaussianDiffusion;
  /** What the network predicts. */
  config: GaussianConfig;
  /** Standard normal noise of x's shape for a step, counted from 0; the last step draws none. */
  noise: (index: number, shape: number[]) => Tensor;
  /** Clamp the predicted data to [-1, 1]: for pixels, not for latents. */
  clip?: boolean;
}

export interface DDIMOptions extends GaussianOptions {
  /** From 0 (default), no noise, to 1, as much as DDPM's. */
  eta?: number;
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

/** Throws on a share of noise that a sampler does not take. */
export function checkEta(kind: string, eta: number | undefined): void {
  if (eta === undefined) return;
  if (kind !== "ddim")
    throw new Error(`eta is an option of the sampler 'ddim'; got eta ${eta} for '${kind}'`);
  if (!(eta >= 0 && eta <= 1)) throw new RangeError(`eta must be from 0 to 1, got ${eta}`);
}

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

/** One step; `noise` draws a standard normal of x's shape, and is absent where there is none. */
export function* gaussianStep<N extends number | Tensor>(
  kind: GaussianKind,
  x: Tensor,
  numbers: GaussianStep<N>,
  config: GaussianConfig,
  clip: boolean,
  noise?: () => Tensor,
): Step<N> {
  const output = yield { x, t: numbers.t };
  return tf.tidy(() => {
    const { prediction, variance } = splitOutput(config, output);
    const predicted =
      config.prediction === "data"
        ? prediction
        : tf.sub(tf.mul(x, numbers.scale), tf.mul(prediction, numbers.spread));
    const data = clip ? tf.clipByValue(predicted, -1, 1) : predicted;
    const implied = (): Tensor => tf.div(tf.sub(tf.mul(x, numbers.scale), data), numbers.spread);
    const [first, second] = numbers.mean;
    const mean = tf.add(tf.mul(data, first), tf.mul(kind === "ddpm" ? x : implied(), second));
    if (!noise) return mean;
    if (kind === "ddim") return tf.add(mean, tf.mul(noise(), numbers.noise));
    const [least, most] = numbers.logVariance;
    // A variance that is not learned is the largest.
    const share = variance ? tf.mul(tf.add(variance, 1), 0.5) : 1;
    const logVariance = tf.add(tf.mul(share, most), tf.mul(tf.sub(1, share), least));
    return tf.add(mean, tf.mul(tf.mul(tf.exp(tf.mul(logVariance, 0.5)), noise()), numbers.noise));
  });
}

function gaussianSampler(
  kind: GaussianKind,
  { diffusion, config, noise, clip = false, eta }: DDIMOptions,
): Sampler<GaussianStep> {
  checkEta(kind, eta);
  return {
    steps: gaussianSteps(diffusion, kind, eta),
    begins: ({ t }) => t / config.steps,
    step: (x, numbers, index) =>
      gaussianStep(
        kind,
        x,
        numbers,
        config,
        clip,
        numbers.noise > 0 ? () => noise(index, x.shape) : undefined,
      ),
  };
}

/** DDPM's ancestral sampler: each step draws from the posterior. `x` is noise [B,C,H,W]; returns data of that shape. */
export const ddpmSampler = async (denoiser: Denoiser, x: Tensor, options: GaussianOptions): Promise<Tensor> =>
  sampled(gaussianSampler("ddpm", options), denoiser, x, options.onStep);

/** The same for a network without promises. */
export const ddpmSamplerSync = (denoiser: Denoiser<Tensor>, x: Tensor, options: GaussianOptions): Tensor =>
  sampledSync(gaussianSampler("ddpm", options), denoiser, x, options.onStep);

/** DDIM's sampler, which adds no noise unless `eta` is above 0. `x` is noise [B,C,H,W]; returns data of that shape. */
export const ddimSampler = async (denoiser: Denoiser, x: Tensor, options: DDIMOptions): Promise<Tensor> =>
  sampled(gaussianSampler("ddim", options), denoiser, x, options.onStep);

/** The same for a network without promises. */
export const ddimSamplerSync = (denoiser: Denoiser<Tensor>, x: Tensor, options: DDIMOptions): Tensor =>
  sampledSync(gaussianSampler("ddim", options), denoiser, x, options.onStep);
