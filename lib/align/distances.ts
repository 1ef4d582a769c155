/** Distances between student and teacher features [B,T,D], each a scalar mean (paper table 1, "objective"). */
import { type Tensor, tf } from "../tensor/tf.ts";

export const DISTANCES = ["smooth-l1", "l2", "l1", "cosine"] as const;
export type DistanceName = (typeof DISTANCES)[number];

export interface DistanceOptions {
  distance: DistanceName;
  /** Where smooth-l1 turns from quadratic to linear. The reference uses 0.05. */
  beta?: number;
  /** Axis of the cosine: `feature` compares each token's vector; `token` is what the released code computes. */
  cosineAxis?: "feature" | "token";
}

/** Quadratic below beta, linear above: d^2 / (2 beta), |d| - beta/2. */
function smoothL1(difference: Tensor, beta: number): Tensor {
  const size = tf.abs(difference);
  const near = tf.minimum(size, beta);
  return tf.add(tf.div(tf.square(near), 2 * beta), tf.sub(size, near));
}

/** torch.nn.functional.cosine_similarity: the norms' product is kept above 1e-8. */
function cosineSimilarity(a: Tensor, b: Tensor, axis: number): Tensor {
  const norm = (x: Tensor): Tensor => tf.sqrt(tf.maximum(tf.sum(tf.square(x), axis), 1e-16));
  return tf.div(tf.sum(tf.mul(a, b), axis), tf.mul(norm(a), norm(b)));
}

/** The alignment distance of student and teacher features [B,T,D]. */
export function featureDistance(student: Tensor, teacher: Tensor, options: DistanceOptions): Tensor {
  const { distance, beta = 0.05, cosineAxis = "feature" } = options;
  if (distance === "cosine")
    return tf.sub(1, tf.mean(cosineSimilarity(student, teacher, cosineAxis === "token" ? 1 : 2)));
  const difference = tf.sub(student, teacher);
  if (distance === "smooth-l1") {
    if (!(beta > 0)) throw new RangeError(`smooth-l1 beta must be above 0, got ${beta}`);
    return tf.mean(smoothL1(difference, beta));
  }
  if (distance === "l2") return tf.mean(tf.square(difference));
  if (distance === "l1") return tf.mean(tf.abs(difference));
  throw new Error(`unknown distance '${distance}'; expected one of ${DISTANCES.join(", ")}`);
}
