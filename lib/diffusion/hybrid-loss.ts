/**
 * The hybrid loss of improved DDPM (Nichol & Dhariwal 2021): the squared error of the prediction, and for the variance
 * the variational bound, in bits per dimension.
 */
import { withoutGradient } from "../nn/fused.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import {
  entriesAt,
  type GaussianConfig,
  type GaussianDiffusion,
  logVarianceExcess,
  posteriorMean,
  predictedData,
  splitOutput,
  stepLogVariance,
} from "./gaussian.ts";
import { discretizedLogLikelihood, normalKL } from "./likelihood.ts";

/** The mean of what lies behind the batch axis [B]. */
const perSample = (x: Tensor): Tensor => tf.mean(x, [1, 2, 3]);

/**
 * Losses of each sample [B] for a network's output [B,C or 2C,H,W] on its input x_t. `mse` is the squared error of the
 * prediction; `vb`, where the variance is learned, the bound that trains the variance alone: KL to the posterior, and
 * the likelihood of bytes at step 0.
 */
export function hybridLoss(
  diffusion: GaussianDiffusion,
  config: GaussianConfig,
  output: Tensor,
  input: Tensor,
  { x, noise, t }: { x: Tensor; noise: Tensor; t: Tensor },
): { mse: Tensor; vb?: Tensor } {
  const { prediction, variance } = splitOutput(config, output);
  const target = config.prediction === "noise" ? noise : x;
  const mse = perSample(tf.squaredDifference(prediction, target));
  if (!variance) return { mse };
  const fixed = predictedData(diffusion, config, withoutGradient(prediction), input, t);
  const mean = posteriorMean(diffusion, fixed, input, t);
  const logVariance = stepLogVariance(diffusion, variance, t);
  // The true mean is the same combination of the true x and x_t, and the true variance the least: what both have in
  // common drops out of the differences.
  const distance = tf.mul(entriesAt(diffusion.posteriorMeanCoef1, t), tf.sub(x, fixed));
  const divergence = perSample(normalKL(distance, logVarianceExcess(diffusion, variance, t), logVariance));
  const likelihood = tf.neg(perSample(discretizedLogLikelihood(x, mean, logVariance)));
  const nats = tf.where(tf.equal(t, 0), likelihood, divergence);
  return { mse, vb: tf.div(nats, Math.LN2) };
}
