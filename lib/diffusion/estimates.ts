/**
 * What a network's output says of its input. Since x = alpha data + sigma noise, one of data, noise, velocity and score
 * gives the others; this is the only place that knows how.
 */
import { type Tensor, tf } from "../tensor/tf.ts";
import { splitOutput } from "./gaussian.ts";
import { type InterpolantName, interpolantCoefficients, timesOf } from "./interpolants.ts";
import type { PathWeights } from "./path.ts";
import type { ProcessConfig } from "./process.ts";

/** The expected data, noise and velocity of an x [B,C,H,W], and its score, each of x's shape, computed when asked for. */
export interface Estimates {
  /** E[data | x], x_0. */
  data(): Tensor;
  /** E[noise | x], epsilon. */
  noise(): Tensor;
  /** E[dx/dt | x] = alpha' data + sigma' noise. */
  velocity(): Tensor;
  /** grad log p_t(x) = -noise / sigma; where sigma is 0 there is none. */
  score(): Tensor;
  /** Where a network learns it, the variance of a step of DDPM as it is put out: -1 is the least, 1 the largest. */
  variance?: Tensor;
}

/** From the velocity: both are solutions of x = alpha data + sigma noise, v = alpha' data + sigma' noise. */
function fromVelocity(
  velocity: Tensor,
  x: Tensor,
  { alpha, sigma, dAlpha, dSigma }: PathWeights<number | Tensor>,
): Estimates {
  const determinant = (): Tensor => tf.sub(tf.mul(alpha, dSigma), tf.mul(sigma, dAlpha));
  const noise = (): Tensor => tf.div(tf.sub(tf.mul(velocity, alpha), tf.mul(x, dAlpha)), determinant());
  return {
    data: () => tf.div(tf.sub(tf.mul(x, dSigma), tf.mul(velocity, sigma)), determinant()),
    noise,
    velocity: () => velocity,
    score: () => tf.neg(tf.div(noise(), sigma)),
  };
}

/** From data and noise. */
const fromBoth = (
  data: () => Tensor,
  noise: () => Tensor,
  { sigma, dAlpha, dSigma }: PathWeights<number | Tensor>,
): Estimates => ({
  data,
  noise,
  velocity: () => tf.add(tf.mul(data(), dAlpha), tf.mul(noise(), dSigma)),
  score: () => tf.neg(tf.div(noise(), sigma)),
});

const noiseOf = (data: Tensor, x: Tensor, { alpha, sigma }: PathWeights<number | Tensor>): Tensor =>
  tf.div(tf.sub(x, tf.mul(data, alpha)), sigma);

function estimated(
  process: ProcessConfig,
  output: Tensor,
  x: Tensor,
  at: PathWeights<number | Tensor>,
): Estimates {
  if (process.type === "interpolant") return fromVelocity(output, x, at);
  const { prediction, variance } = splitOutput(process, output);
  if (process.prediction === "data")
    return {
      ...fromBoth(
        () => prediction,
        () => noiseOf(prediction, x, at),
        at,
      ),
      variance,
    };
  const data = (): Tensor => tf.div(tf.sub(x, tf.mul(prediction, at.sigma)), at.alpha);
  return { ...fromBoth(data, () => prediction, at), variance };
}

/** Weights as they multiply x: one for all samples, or those of times [B] or [B,T]. */
function weightsFor(at: PathWeights<number | Tensor>, x: Tensor): PathWeights<number | Tensor> {
  const fit = (weight: number | Tensor): number | Tensor =>
    typeof weight === "number" || weight.rank === 0 || weight.rank === x.rank ? weight : timesOf(weight, x);
  return { alpha: fit(at.alpha), sigma: fit(at.sigma), dAlpha: fit(at.dAlpha), dSigma: fit(at.dSigma) };
}

/** An output of another shape may broadcast, to numbers that mean nothing. */
function checkOutput(process: ProcessConfig, output: Tensor, x: Tensor): void {
  const expected = [...x.shape];
  const learned = process.type === "gaussian" && process.learnSigma;
  if (learned) expected[1] *= 2;
  if (`${output.shape}` !== `${expected}`)
    throw new Error(
      `what a network says of [${x.shape}] must be [${expected}]${learned ? ", prediction and variance" : ""}, got [${output.shape}]`,
    );
}

/**
 * What a network's output [B,C or 2C,H,W] says of its input x [B,C,H,W] at a point of the process's path: one for all
 * samples, or with numbers [B] for each.
 * @param clip the data are clamped to [-1, 1], and noise, velocity and score are those of what is left: for pixels, not
 * for latents
 */
export function estimates(
  process: ProcessConfig,
  output: Tensor,
  x: Tensor,
  at: PathWeights<number | Tensor>,
  clip = false,
): Estimates {
  checkOutput(process, output, x);
  const weights = weightsFor(at, x);
  const plain = estimated(process, output, x, weights);
  if (!clip) return plain;
  const data = tf.clipByValue(plain.data(), -1, 1);
  return {
    ...fromBoth(
      () => data,
      () => noiseOf(data, x, weights),
      weights,
    ),
    variance: plain.variance,
  };
}

/** The score grad log p_t(x) that an interpolant's velocity implies, at times from 0 to 1: one t, or [B] or [B,T]. */
export function scoreFromVelocity(
  velocity: Tensor,
  x: Tensor,
  t: number | Tensor,
  interpolant: InterpolantName = "linear",
): Tensor {
  if (typeof t === "number" && !(t >= 0 && t <= 1))
    throw new RangeError(`a score's time must be from 0 to 1, got ${t}`);
  return tf.tidy(() => {
    const time = typeof t === "number" ? tf.scalar(t) : t.rank === 0 ? t : timesOf(t, x);
    return fromVelocity(velocity, x, interpolantCoefficients(interpolant, time)).score();
  });
}
