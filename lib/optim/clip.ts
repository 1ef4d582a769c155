import { sumOfSquares } from "../nn/fused.ts";
import { type Definition, whole } from "../tensor/operations.ts";
import { mapParams, type Params } from "../tensor/params.ts";
import { type Tensor, tf } from "../tensor/tf.ts";

/** The sum of squares of each tensor, [tensors]. */
export const squaresOf = (tensors: readonly Tensor[]): Tensor => tf.stack(tensors.map(sumOfSquares));

const sumOfAllSquares: Definition = (tensors) => [tf.sum(squaresOf(tensors))];

/** The Euclidean norm of all gradients together, a scalar. */
export const globalNorm = (gradients: Params): Tensor =>
  tf.sqrt(whole("SumOfAllSquares", Object.values(gradients), {}, sumOfAllSquares)[0]);

/** What gradients of a global norm are to be multiplied by, so that it is at most `maxNorm` (PyTorch's rule). */
export const clipFactor = (norm: Tensor, maxNorm: number): Tensor =>
  tf.minimum(tf.div(maxNorm, tf.add(norm, 1e-6)), 1);

/** Scales gradients so that their global norm is at most `maxNorm` (PyTorch's rule). Returns the norm before. */
export function clipByGlobalNorm(gradients: Params, maxNorm: number): { gradients: Params; norm: Tensor } {
  const norm = globalNorm(gradients);
  const factor = clipFactor(norm, maxNorm);
  return { gradients: mapParams(gradients, (g) => tf.mul(g, factor)), norm };
}
