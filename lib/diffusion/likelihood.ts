/**
 * What the variational bound is made of, element by element in nats, in forms that keep their digits in float32. The
 * published formulas subtract numbers that are nearly equal (values of the normal CDF near 1, means, log variances): an
 * engine whose `tanh` or `exp` is off by a few units in the last place then leaves few digits, or none. (PyTorch's own
 * float32 is off by up to 4e-2 of a small batch's loss at step 0, and zeroes gradients; its float64 agrees with these.)
 */
import { withGradient } from "../nn/fused.ts";
import { type Tensor, tf } from "../tensor/tf.ts";

/** Half the width of a byte, where 256 of them stand for [-1, 1]. */
const HALF = 1 / 255;
/** The normal CDF is about sigmoid(v(p)), v(p) = SCALE (p + CUBIC p^3): the tanh approximation, written with no tanh. */
const SCALE = 2 * Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;
/** What is less probable counts as this, and has no gradient. */
const LEAST = Math.log(1e-12);

/** SCALE (1 + factor CUBIC square): v(p) / p for factor 1 and v'(p) for factor 3, of p's square. */
const rate = (square: Tensor, factor: number): Tensor =>
  tf.add(tf.mul(square, factor * SCALE * CUBIC), SCALE);

/**
 * Logarithm of the probability that a normal distribution gives the byte which x in [-1, 1] stands for; the first and the
 * last byte take all that lies beyond them. At least log(1e-12).
 *
 * With a and b the logits v of the CDF at the byte's upper edge p and its lower edge q, the probability is
 * sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)), whose logarithm is a sum of three terms of one sign.
 * Nor is a - b a difference: with s = 1/deviation, it is 2 HALF s SCALE (1 + CUBIC s^2 (3 (x - mean)^2 + HALF^2)).
 */
export function discretizedLogLikelihood(x: Tensor, mean: Tensor, logVariance: Tensor): Tensor {
  return withGradient(
    ([x, mean, logVariance], save) => {
      const centered = tf.sub(x, mean);
      const inverse = tf.exp(tf.mul(logVariance, -0.5));
      const upper = tf.mul(inverse, tf.add(centered, HALF));
      const lower = tf.mul(inverse, tf.sub(centered, HALF));
      const belowUpper = tf.neg(tf.softplus(tf.neg(tf.mul(upper, rate(tf.square(upper), 1)))));
      const aboveLower = tf.neg(tf.softplus(tf.mul(lower, rate(tf.square(lower), 1))));
      const spread = tf.mul(tf.square(inverse), tf.add(tf.mul(tf.square(centered), 3), HALF ** 2));
      const width = tf.mul(tf.mul(inverse, 2 * HALF), rate(spread, 1));
      const between = tf.neg(tf.expm1(tf.neg(width)));
      const inside = tf.add(tf.add(belowUpper, aboveLower), tf.log(between));
      const [first, last] = [tf.less(x, -0.999), tf.greater(x, 0.999)];
      const all = tf.where(first, belowUpper, tf.where(last, aboveLower, inside));
      save([
        centered,
        inverse,
        upper,
        lower,
        belowUpper,
        aboveLower,
        spread,
        width,
        between,
        first,
        last,
        all,
      ]);
      return { value: tf.maximum(all, LEAST), gradFunc: (dy, saved) => likelihoodGradients(dy, saved) };
    },
    [x, mean, logVariance],
  );
}

/** By x, mean and log variance: v' at both edges, where they count, and the part of the width between them. */
function likelihoodGradients(dy: Tensor, saved: Tensor[]): Tensor[] {
  const [centered, inverse, upper, lower, belowUpper, aboveLower, spread, width, between, first, last, all] =
    saved;
  const none = tf.zerosLike(dy);
  // d log sigmoid(a) / da = 1 - sigmoid(a), from the logarithm, which keeps the digits of both ends.
  const tail = (log: Tensor): Tensor => tf.neg(tf.expm1(log));
  const atUpper = tf.where(last, none, tf.mul(tail(belowUpper), rate(tf.square(upper), 3)));
  const atLower = tf.where(first, none, tf.mul(tail(aboveLower), rate(tf.square(lower), 3)));
  // d log(1 - exp(-width)) / d width, times what the width is proportional to.
  const steep = tf.mul(tf.div(tf.exp(tf.neg(width)), between), tf.mul(inverse, 2 * HALF));
  const atWidth = tf.where(tf.logicalOr(first, last), none, steep);
  const bend = tf.mul(tf.mul(tf.square(inverse), centered), 6 * SCALE * CUBIC);
  const byX = tf.add(tf.mul(inverse, tf.sub(atUpper, atLower)), tf.mul(atWidth, bend));
  const atEdges = tf.sub(tf.mul(atUpper, upper), tf.mul(atLower, lower));
  const byLogVariance = tf.mul(tf.add(atEdges, tf.mul(atWidth, rate(spread, 3))), -0.5);
  const counts = tf.greaterEqual(all, LEAST);
  const [forX, forLogVariance] = [byX, byLogVariance].map((by) => tf.where(counts, tf.mul(dy, by), none));
  return [forX, tf.neg(forX), forLogVariance];
}

/** x + exp(-x) - 1, which is about x^2 / 2: a series where the terms would cancel. */
const excess = (x: Tensor): Tensor =>
  withGradient(
    ([x], save) => {
      save([x]);
      // x^2/2 (1 - x/3 (1 - x/4 (1 - ...))), to float32's precision up to 1/2.
      let series: Tensor = tf.onesLike(x);
      for (let n = 9; n > 2; n--) series = tf.sub(1, tf.mul(tf.div(x, n), series));
      const near = tf.mul(tf.mul(tf.square(x), 0.5), series);
      const far = tf.add(x, tf.expm1(tf.neg(x)));
      return {
        value: tf.where(tf.less(tf.abs(x), 0.5), near, far),
        gradFunc: (dy, [x]) => tf.mul(dy, tf.neg(tf.expm1(tf.neg(x)))),
      };
    },
    [x],
  );

/**
 * KL divergence of a normal distribution from the true one, by how they differ: the distance of their means and the
 * excess of `logVariance` over the true one's. Differences of what is nearly equal are the caller's to avoid.
 */
export const normalKL = (distance: Tensor, logVarianceExcess: Tensor, logVariance: Tensor): Tensor =>
  tf.mul(tf.add(excess(logVarianceExcess), tf.mul(tf.square(distance), tf.exp(tf.neg(logVariance)))), 0.5);
