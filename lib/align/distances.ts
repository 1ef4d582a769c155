/** Distances between student and teacher features [B,T,D], each a scalar mean (paper table 1, "objective"). */
import { withGradient } from "../nn/fused.ts";
import { oneOf, positive, z } from "../schema.ts";
import { type Tensor, tf } from "../tensor/tf.ts";

export const DISTANCES = ["smooth-l1", "l2", "l1", "cosine"] as const;
export type DistanceName = (typeof DISTANCES)[number];

export const distanceOptions = z.strictObject({
  distance: oneOf(DISTANCES, "What is minimized between the features (paper table 1)."),
  beta: positive("Where smooth-l1 turns from quadratic to linear. The reference uses 0.05.").optional(),
  cosineAxis: oneOf(
    ["feature", "token"],
    "Axis of the cosine: `feature` compares each token's vector; `token` is what the released code computes.",
  ).optional(),
});
export type DistanceOptions = z.infer<typeof distanceOptions>;

/** Mean of d^2 / (2 beta) below beta and of |d| - beta/2 above, d = student - teacher. */
function smoothL1(student: Tensor, teacher: Tensor, beta: number): Tensor {
  return withGradient(
    ([a, b], save) => {
      const difference = tf.sub(a, b);
      save([difference]);
      const size = tf.abs(difference);
      const near = tf.minimum(size, beta);
      return {
        value: tf.div(tf.mean(tf.mul(near, tf.sub(size, tf.mul(near, 0.5)))), beta),
        gradFunc: (dy, [difference]) => {
          const slope = tf.clipByValue(difference, -beta, beta);
          const gradient = tf.mul(slope, tf.div(dy, beta * difference.size));
          return [gradient, tf.neg(gradient)];
        },
      };
    },
    [student, teacher],
  );
}

/** torch.nn.functional.cosine_similarity keeps the square of a norm above this. */
const LEAST_SQUARE = 1e-16;

/** The mean cosine of the vectors of a and b [B,T,D] along an axis, from -1 to 1: over features where it is 2. */
export function meanCosine(a: Tensor, b: Tensor, axis = 2): Tensor {
  const inner = (x: Tensor, y: Tensor): Tensor => tf.sum(tf.mul(x, y), axis, true);
  return withGradient(
    ([a, b], save) => {
      const [squareA, squareB] = [inner(a, a), inner(b, b)];
      const [inverseA, inverseB] = [squareA, squareB].map((x) => tf.rsqrt(tf.maximum(x, LEAST_SQUARE)));
      const cosine = tf.mul(inner(a, b), tf.mul(inverseA, inverseB));
      save([a, b, squareA, squareB, inverseA, inverseB, cosine]);
      return {
        value: tf.mean(cosine),
        gradFunc: (dy, [a, b, squareA, squareB, inverseA, inverseB, cosine]) => {
          const share = tf.div(dy, cosine.size);
          const across = tf.mul(share, tf.mul(inverseA, inverseB));
          // A vector that is too short keeps its length's lower bound, which does not move with it.
          const along = (square: Tensor, inverse: Tensor): Tensor =>
            tf.mul(
              tf.cast(tf.greater(square, LEAST_SQUARE), "float32"),
              tf.mul(tf.mul(share, cosine), tf.square(inverse)),
            );
          return [
            tf.sub(tf.mul(b, across), tf.mul(a, along(squareA, inverseA))),
            tf.sub(tf.mul(a, across), tf.mul(b, along(squareB, inverseB))),
          ];
        },
      };
    },
    [a, b],
  );
}

/** The alignment distance of student and teacher features [B,T,D]. */
export function featureDistance(student: Tensor, teacher: Tensor, options: DistanceOptions): Tensor {
  const { distance, beta = 0.05, cosineAxis = "feature" } = options;
  if (distance === "cosine") return tf.sub(1, meanCosine(student, teacher, cosineAxis === "token" ? 1 : 2));
  if (distance === "smooth-l1") {
    if (!(beta > 0)) throw new RangeError(`smooth-l1 beta must be above 0, got ${beta}`);
    return smoothL1(student, teacher, beta);
  }
  const difference = tf.sub(student, teacher);
  if (distance === "l2") return tf.mean(tf.square(difference));
  if (distance === "l1") return tf.mean(tf.abs(difference));
  throw new Error(`unknown distance '${distance}'; expected one of ${DISTANCES.join(", ")}`);
}
