/** A mixture of Gaussians in the plane, whose velocity is known: notebook 2 derives it, notebook 5 samples from it. */
import { type InterpolantName, interpolantCoefficients } from "ditlab/diffusion";
import { type RandomGenerator, type Tensor, tf } from "ditlab/tensor";

/** Components with equal weights, of two classes, 0 and 1, and of one spread (standard deviation). */
export interface Mixture {
  means: number[][];
  labels: number[];
  spread: number;
}

/** Asks for no class: all components count. */
export const NO_CLASS = 2;

/** Six components on a ring, of either class in turn. */
export const ring: Mixture = {
  means: Array.from({ length: 6 }, (_, j) => [Math.cos((Math.PI * j) / 3), Math.sin((Math.PI * j) / 3)]).map(
    (mean) => mean.map((value) => 1.5 * value),
  ),
  labels: [0, 1, 0, 1, 0, 1],
  spread: 0.2,
};

/**
 * The velocity that a perfect network would have learned, with a class-conditional network's arguments: x [B, 2, 1, 1] (a
 * point is an image of one pixel and two channels), t [B], y [B] of 0, 1 and NO_CLASS.
 */
export function mixtureVelocity({ means, labels, spread }: Mixture, name: InterpolantName) {
  const m = tf.tensor3d([means]); // [1, components, 2]
  const counts = (y: number, label: number): boolean => y === NO_CLASS || label === y;
  const logWeights = tf.tensor2d(
    [0, 1, NO_CLASS].map((y) => labels.map((label) => (counts(y, label) ? 0 : -1e9))),
  );
  return (x: Tensor, t: Tensor, { y }: { y: Tensor }): Tensor => {
    const { alpha, sigma, dAlpha, dSigma } = interpolantCoefficients(name, tf.reshape(t, [-1, 1, 1]));
    const variance = tf.add(tf.mul(tf.square(alpha), spread ** 2), tf.square(sigma));
    const away = tf.sub(tf.reshape(x, [-1, 1, 2]), tf.mul(alpha, m)); // x - alpha m_j
    const exponents = tf.div(tf.sum(tf.square(away), 2), tf.reshape(tf.mul(variance, 2), [-1, 1]));
    const r = tf.expandDims(tf.softmax(tf.sub(tf.gather(logWeights, y), exponents)), 2); // [B, components, 1]
    const slope = tf.div(tf.add(tf.mul(tf.mul(dAlpha, alpha), spread ** 2), tf.mul(dSigma, sigma)), variance);
    const towards = tf.add(tf.mul(dAlpha, m), tf.mul(slope, away));
    return tf.reshape(tf.sum(tf.mul(r, towards), 1), x.shape);
  };
}

/** Draws [count, 2, 1, 1] of one class, or of both. */
export function drawMixture(
  { means, labels, spread }: Mixture,
  random: RandomGenerator,
  count: number,
  y = NO_CLASS,
): Tensor {
  const allowed = means.filter((_, j) => y === NO_CLASS || labels[j] === y);
  const values = random.normals(2 * count);
  for (let i = 0; i < count; i++) {
    const mean = allowed[random.integer(allowed.length)];
    for (const axis of [0, 1]) values[2 * i + axis] = mean[axis] + spread * values[2 * i + axis];
  }
  return tf.tensor4d(values, [count, 2, 1, 1]);
}

/** The condition that asks for one class, or for none, `count` times. */
export const classOf = (count: number, y = NO_CLASS): { y: Tensor } => ({ y: tf.fill([count], y, "int32") });

/** The coordinates of points [count, 2, 1, 1]. */
export async function coordinates(points: Tensor): Promise<{ x: Float32Array; y: Float32Array }> {
  const values = (await points.data()) as Float32Array;
  return { x: values.filter((_, i) => i % 2 === 0), y: values.filter((_, i) => i % 2 === 1) };
}
