/**
 * The hybrid loss of improved DDPM (Nichol & Dhariwal 2021): the squared error of the prediction, and for the variance
 * the variational bound, in bits per dimension.
 */
import { withoutGradient } from "../nn/fused.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import {
  type DiffusionConfig,
  entriesAt,
  type GaussianDiffusion,
  posteriorMean,
  predictedData,
  splitOutput,
  stepLogVariance,
} from "./gaussian.ts";

/** The mean of what lies behind the batch axis [B]. */
const perSample = (x: Tensor): Tensor => tf.mean(x, [1, 2, 3]);

/** KL divergence between normal distributions, element by element, in nats. */
const normalKL = (mean1: Tensor, logVariance1: Tensor, mean2: Tensor, logVariance2: Tensor): Tensor => {
  const gap = tf.sub(logVariance2, logVariance1);
  const distance = tf.mul(tf.square(tf.sub(mean1, mean2)), tf.exp(tf.neg(logVariance2)));
  return tf.mul(tf.add(tf.sub(tf.add(gap, tf.exp(tf.neg(gap))), 1), distance), 0.5);
};

const approximateNormalCdf = (x: Tensor): Tensor => {
  const inner = tf.add(x, tf.mul(tf.mul(tf.square(x), x), 0.044715));
  return tf.mul(tf.add(tf.tanh(tf.mul(inner, Math.sqrt(2 / Math.PI))), 1), 0.5);
};

/** Logarithm of the probability that a normal distribution gives the byte which x in [-1, 1] stands for. */
function discretizedLogLikelihood(x: Tensor, mean: Tensor, logVariance: Tensor): Tensor {
  const centered = tf.sub(x, mean);
  const inverse = tf.exp(tf.mul(logVariance, -0.5));
  const above = approximateNormalCdf(tf.mul(inverse, tf.add(centered, 1 / 255)));
  const below = approximateNormalCdf(tf.mul(inverse, tf.sub(centered, 1 / 255)));
  const log = (probability: Tensor): Tensor => tf.log(tf.maximum(probability, 1e-12));
  // The first and the last byte take all that lies beyond them.
  const inside = tf.where(tf.greater(x, 0.999), log(tf.sub(1, below)), log(tf.sub(above, below)));
  return tf.where(tf.less(x, -0.999), log(above), inside);
}

/**
 * Losses of each sample [B] for a network's output [B,C or 2C,H,W] on its input x_t. `mse` is the squared error of the
 * prediction; `vb`, where the variance is learned, the bound that trains the variance alone: KL to the posterior, and
 * the likelihood of bytes at step 0.
 */
export function hybridLoss(
  diffusion: GaussianDiffusion,
  config: DiffusionConfig,
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
  const truth = posteriorMean(diffusion, x, input, t);
  const truthLogVariance = entriesAt(diffusion.posteriorLogVarianceClipped, t);
  const divergence = perSample(normalKL(truth, truthLogVariance, mean, logVariance));
  const likelihood = tf.neg(perSample(discretizedLogLikelihood(x, mean, logVariance)));
  const nats = tf.where(tf.equal(t, 0), likelihood, divergence);
  return { mse, vb: tf.div(nats, Math.LN2) };
}
