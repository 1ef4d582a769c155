/**
 * Gaussian diffusion in discrete steps (DDPM; Nichol & Dhariwal 2021): noise schedules, the posterior, and what a
 * network that predicts noise and variance says of it. Schedules are double precision, tensors float32.
 */
import { count, flag, oneOf, z } from "../schema.ts";
import { type Tensor, tf } from "../tensor/tf.ts";

export const BETA_SCHEDULES = ["linear", "squaredcos_cap_v2"] as const;
export type BetaSchedule = (typeof BETA_SCHEDULES)[number];

/** All that follows from the betas; entry t belongs to the step from t to t-1. */
export interface GaussianDiffusion {
  readonly betas: Float64Array;
  /** Product of 1 - beta up to t. */
  readonly alphasCumprod: Float64Array;
  readonly posteriorVariance: Float64Array;
  /** Its logarithm; at t = 0, where the variance is 0, that of t = 1. */
  readonly posteriorLogVarianceClipped: Float64Array;
  /** The posterior's mean is coef1 x_0 + coef2 x_t. */
  readonly posteriorMeanCoef1: Float64Array;
  readonly posteriorMeanCoef2: Float64Array;
  /** The step of the network's own schedule that each step stands for. */
  readonly timesteps: Int32Array;
}

/** DiT's process: noise in discrete steps, and what a network says of it. */
export const gaussianConfig = z.strictObject({
  type: z.literal("gaussian"),
  schedule: oneOf(BETA_SCHEDULES, "Betas: linear, or a squared cosine up to 0.999."),
  steps: count("T, the number of steps."),
  prediction: oneOf(["noise", "data"], "What the network predicts: the noise (epsilon) or the data (x_0)."),
  learnSigma: flag("The network also predicts each step's variance, between its bounds: twice the channels."),
});
export type GaussianConfig = z.infer<typeof gaussianConfig>;

/** Betas of a schedule of `steps` steps: linear from 1e-4 to 0.02 at 1000 steps, or a squared cosine up to 0.999. */
export function betaSchedule(name: BetaSchedule, steps = 1000): Float64Array {
  if (!Number.isInteger(steps) || steps < 1)
    throw new RangeError(`diffusion steps must be an integer of at least 1, got ${steps}`);
  if (name === "linear") {
    const [first, last] = [0.1 / steps, 20 / steps];
    return Float64Array.from(
      { length: steps },
      (_, i) => first + ((last - first) * i) / Math.max(1, steps - 1),
    );
  }
  if (name !== "squaredcos_cap_v2")
    throw new Error(`unknown beta schedule '${name}'; expected one of ${BETA_SCHEDULES.join(", ")}`);
  const alphaBar = (time: number): number => Math.cos((((time + 0.008) / 1.008) * Math.PI) / 2) ** 2;
  return Float64Array.from({ length: steps }, (_, i) =>
    Math.min(1 - alphaBar((i + 1) / steps) / alphaBar(i / steps), 0.999),
  );
}

export function gaussianDiffusion(
  betas: Float64Array,
  timesteps = Int32Array.from(betas.keys()),
): GaussianDiffusion {
  const bad = betas.findIndex((beta) => !(beta > 0 && beta <= 1));
  if (bad >= 0) throw new RangeError(`beta ${bad} must be above 0 and at most 1, got ${betas[bad]}`);
  let product = 1;
  const alphasCumprod = betas.map((beta) => {
    product *= 1 - beta;
    return product;
  });
  const before = alphasCumprod.map((_, t) => (t === 0 ? 1 : alphasCumprod[t - 1]));
  const posteriorVariance = betas.map((beta, t) => (beta * (1 - before[t])) / (1 - alphasCumprod[t]));
  return {
    betas,
    alphasCumprod,
    posteriorVariance,
    posteriorLogVarianceClipped: posteriorVariance.map((variance, t) =>
      Math.log(t === 0 ? (posteriorVariance[1] ?? betas[0]) : variance),
    ),
    posteriorMeanCoef1: betas.map((beta, t) => (beta * Math.sqrt(before[t])) / (1 - alphasCumprod[t])),
    posteriorMeanCoef2: betas.map(
      (beta, t) => ((1 - before[t]) * Math.sqrt(1 - beta)) / (1 - alphasCumprod[t]),
    ),
    timesteps,
  };
}

/** Python's rounding: halves go to the even neighbour. */
const roundHalfEven = (value: number): number => {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
};

/**
 * The steps that a respaced process keeps, ascending: `250` spreads so many evenly, `10,15,20` so many over each equal
 * part, `ddim50` takes every n-th so that there are 50, from 0.
 */
export function respacedTimesteps(spacing: string, steps = 1000): Int32Array {
  const fail = (why: string): never => {
    throw new RangeError(`cannot keep '${spacing}' of ${steps} diffusion steps: ${why}`);
  };
  const ddim = /^ddim(\d+)$/.exec(spacing);
  if (ddim) {
    const count = Number(ddim[1]);
    for (let stride = 1; stride <= steps; stride++)
      if (Math.ceil(steps / stride) === count)
        return Int32Array.from({ length: count }, (_, i) => i * stride);
    return fail(`no stride gives ${count}`);
  }
  if (!/^\d+(,\d+)*$/.test(spacing)) fail("expected a number, numbers with commas, or ddim and a number");
  const counts = spacing.split(",").map(Number);
  const base = Math.floor(steps / counts.length);
  let start = 0;
  const kept = counts.flatMap((count, i) => {
    const size = base + (i < steps % counts.length ? 1 : 0);
    if (count > size) fail(`a part of ${size} steps has no ${count}`);
    const stride = count > 1 ? (size - 1) / (count - 1) : 1;
    const first = start;
    start += size;
    let at = 0;
    return Array.from({ length: count }, () => {
      const step = first + roundHalfEven(at);
      at += stride;
      return step;
    });
  });
  return Int32Array.from(new Set(kept)).sort();
}

/** The process that takes only some steps of another: its betas give the same noise levels there. */
export function respace(
  { alphasCumprod, timesteps }: GaussianDiffusion,
  kept: Int32Array,
): GaussianDiffusion {
  let last = 1;
  const betas = Float64Array.from(kept, (t) => {
    if (!(t >= 0 && t < alphasCumprod.length))
      throw new RangeError(`diffusion step ${t} is out of range; expected 0 to ${alphasCumprod.length - 1}`);
    const beta = 1 - alphasCumprod[t] / last;
    last = alphasCumprod[t];
    return beta;
  });
  return gaussianDiffusion(
    betas,
    Int32Array.from(kept, (t) => timesteps[t]),
  );
}

/** A schedule's entries at steps t [B], for tensors [B,C,H,W]: [B,1,1,1]. */
export function entriesAt(values: Float64Array, t: Tensor): Tensor {
  if (t.rank !== 1)
    throw new Error(
      `a Gaussian process takes one step a sample, [batch], got [${t.shape}]; times of tokens are an interpolant's`,
    );
  const table = tf.tensor1d(Float32Array.from(values));
  return tf.reshape(tf.gather(table, tf.cast(t, "int32")), [-1, 1, 1, 1]);
}

/** x_t = sqrt(alphaBar) x + sqrt(1 - alphaBar) noise, for x and noise [B,C,H,W] at steps t [B]. */
export function noisedAt(
  { alphasCumprod }: GaussianDiffusion,
  { x, noise, t }: { x: Tensor; noise: Tensor; t: Tensor },
): Tensor {
  if (t.rank === 1 && t.shape[0] !== x.shape[0])
    throw new Error(`steps of images [${x.shape}] must be [${x.shape[0]}], one a sample, got [${t.shape}]`);
  const signal = entriesAt(alphasCumprod.map(Math.sqrt), t);
  const spread = entriesAt(
    alphasCumprod.map((alpha) => Math.sqrt(1 - alpha)),
    t,
  );
  return tf.add(tf.mul(signal, x), tf.mul(spread, noise));
}

/** A network's output [B,C or 2C,H,W] as its prediction and, where it is learned, the variance. */
export function splitOutput(
  { learnSigma }: GaussianConfig,
  output: Tensor,
): { prediction: Tensor; variance?: Tensor } {
  if (!learnSigma) return { prediction: output };
  const [prediction, variance] = tf.split(output, 2, 1);
  return { prediction, variance };
}

/** x_0 as a prediction at steps t [B] has it. */
export function predictedData(
  { alphasCumprod }: GaussianDiffusion,
  { prediction: kind }: GaussianConfig,
  prediction: Tensor,
  input: Tensor,
  t: Tensor,
): Tensor {
  if (kind === "data") return prediction;
  const scale = entriesAt(
    alphasCumprod.map((alpha) => Math.sqrt(1 / alpha)),
    t,
  );
  const noise = entriesAt(
    alphasCumprod.map((alpha) => Math.sqrt(1 / alpha - 1)),
    t,
  );
  return tf.sub(tf.mul(scale, input), tf.mul(noise, prediction));
}

/** The mean of x_{t-1} given x_0 and x_t. */
export const posteriorMean = (
  { posteriorMeanCoef1, posteriorMeanCoef2 }: GaussianDiffusion,
  x: Tensor,
  input: Tensor,
  t: Tensor,
): Tensor =>
  tf.add(tf.mul(entriesAt(posteriorMeanCoef1, t), x), tf.mul(entriesAt(posteriorMeanCoef2, t), input));

/** By how much the log variance that a learned `variance` stands for exceeds the posterior's, the least possible. */
export function logVarianceExcess(
  { posteriorLogVarianceClipped, betas }: GaussianDiffusion,
  variance: Tensor,
  t: Tensor,
): Tensor {
  const range = betas.map((beta, step) => Math.log(beta) - posteriorLogVarianceClipped[step]);
  return tf.mul(tf.mul(tf.add(variance, 1), 0.5), entriesAt(range, t));
}

/** Log variance of a step: a learned `variance` of -1 is the posterior's, the least possible; 1 is beta, the most. */
export const stepLogVariance = (diffusion: GaussianDiffusion, variance: Tensor, t: Tensor): Tensor =>
  tf.add(entriesAt(diffusion.posteriorLogVarianceClipped, t), logVarianceExcess(diffusion, variance, t));
