/** Interpolants x_t = alpha(t) x + sigma(t) noise between data (t = 0) and noise (t = 1). */
import type { RandomGenerator } from "../tensor/random.ts";
import { type Tensor, tf } from "../tensor/tf.ts";

export const INTERPOLANTS = ["linear", "cosine"] as const;
export type InterpolantName = (typeof INTERPOLANTS)[number];

/** alpha, sigma and their derivatives in time, each of t's shape. `estimates` takes those of times [B] as they are. */
export interface Coefficients {
  alpha: Tensor;
  sigma: Tensor;
  dAlpha: Tensor;
  dSigma: Tensor;
}

/** linear: alpha = 1 - t, sigma = t. cosine: alpha = cos(pi t / 2), sigma = sin(pi t / 2). */
export function interpolantCoefficients(name: InterpolantName, t: Tensor): Coefficients {
  if (name === "linear") {
    return { alpha: tf.sub(1, t), sigma: t, dAlpha: tf.fill(t.shape, -1), dSigma: tf.fill(t.shape, 1) };
  }
  if (name === "cosine") {
    const angle = tf.mul(t, Math.PI / 2);
    const [alpha, sigma] = [tf.cos(angle), tf.sin(angle)];
    return { alpha, sigma, dAlpha: tf.mul(sigma, -Math.PI / 2), dSigma: tf.mul(alpha, Math.PI / 2) };
  }
  throw new Error(`unknown interpolant '${name}'; expected one of ${INTERPOLANTS.join(", ")}`);
}

/**
 * Times as they multiply images [B,C,H,W]: [B,1,1,1] for one time a sample, [B,1,H,W] for one a token [B,T], whose tokens
 * are the squares of a grid, row by row.
 */
export function timesOf(t: Tensor, images: Tensor): Tensor {
  const [batch, ...rest] = images.shape;
  if (t.rank === 1 && t.shape[0] === batch) return tf.reshape(t, [batch, ...rest.map(() => 1)]);
  const side = Math.sqrt(t.shape[1] ?? 0);
  const [height, width] = images.shape.slice(2);
  const isGrid = images.rank === 4 && Number.isInteger(height / side) && Number.isInteger(width / side);
  if (t.rank !== 2 || t.shape[0] !== batch || !isGrid)
    throw new Error(
      `times of images [${images.shape}] must be [${batch}], one a sample, or [${batch},T], one for each token of a square grid, got [${t.shape}]`,
    );
  const columns = tf.tile(tf.reshape(t, [batch, side, side, 1]), [1, 1, 1, width / side]);
  const rows = tf.tile(tf.reshape(columns, [batch, side, 1, width]), [1, 1, height / side, 1]);
  return tf.reshape(rows, [batch, 1, height, width]);
}

/** x_t for data x and noise [B,...] at times t [B], or [B,T], one for each token of images. */
export function interpolate(name: InterpolantName, x: Tensor, noise: Tensor, t: Tensor): Tensor {
  const { alpha, sigma } = interpolantCoefficients(name, timesOf(t, x));
  return tf.add(tf.mul(alpha, x), tf.mul(sigma, noise));
}

/** The velocity dx_t/dt = alpha'(t) x + sigma'(t) noise that the network learns. */
export function velocityTarget(name: InterpolantName, x: Tensor, noise: Tensor, t: Tensor): Tensor {
  if (name === "linear") return tf.sub(noise, x);
  const { dAlpha, dSigma } = interpolantCoefficients(name, timesOf(t, x));
  return tf.add(tf.mul(dAlpha, x), tf.mul(dSigma, noise));
}

export const TIME_DISTRIBUTIONS = ["uniform", "lognormal"] as const;
export type TimeDistribution = (typeof TIME_DISTRIBUTIONS)[number];

/**
 * `count` training times in [0, 1) as float32.
 * lognormal: the noise-to-data ratio sigma/alpha is exp(standard normal), as in EDM.
 */
export function drawTimes(
  random: RandomGenerator,
  count: number,
  distribution: TimeDistribution = "uniform",
  interpolant: InterpolantName = "linear",
): Float32Array<ArrayBuffer> {
  if (distribution === "uniform") return random.uniforms(count);
  if (distribution !== "lognormal") {
    throw new Error(
      `unknown time distribution '${distribution}'; expected one of ${TIME_DISTRIBUTIONS.join(", ")}`,
    );
  }
  const ratios = random.normals(count).map(Math.exp);
  return ratios.map((s) => (interpolant === "linear" ? s / (1 + s) : (2 / Math.PI) * Math.atan(s)));
}
