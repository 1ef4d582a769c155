/**
 * What a network's output says of its input. Since x = alpha data + sigma noise, one of data, noise, velocity and score
 * gives the others; this is the only place that knows how.
 */
import { type Tensor, tf } from "../tensor/tf.ts";
import { splitOutput } from "./gaussian.ts";
import { type InterpolantName, interpolantCoefficients } from "./interpolants.ts";
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

/**
 * What a network's output [B,C or 2C,H,W] says of its input x [B,C,H,W] at a point of the process's path.
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
  const plain = estimated(process, output, x, at);
  if (!clip) return plain;
  const data = tf.clipByValue(plain.data(), -1, 1);
  return {
    ...fromBoth(
      () => data,
      () => noiseOf(data, x, at),
      at,
    ),
    variance: plain.variance,
  };
}

/** The score grad log p_t(x) that an interpolant's velocity implies, at one time t from 0 to 1. */
export function scoreFromVelocity(
  velocity: Tensor,
  x: Tensor,
  t: number | Tensor,
  interpolant: InterpolantName = "linear",
): Tensor {
  if (typeof t === "number" && !(t >= 0 && t <= 1))
    throw new RangeError(`a score's time must be from 0 to 1, got ${t}`);
  return tf.tidy(() => {
    const time = typeof t === "number" ? tf.scalar(t) : t;
    return fromVelocity(velocity, x, interpolantCoefficients(interpolant, time)).score();
  });
}
