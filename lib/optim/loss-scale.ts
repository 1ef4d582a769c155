/**
 * Dynamic loss scaling (Micikevicius et al. 2018, section 3.2), with PyTorch's constants: the loss is multiplied by as much
 * as gradients in float16 bear, and a step whose gradients left its range is skipped.
 */
import { type Tensor, tf } from "../tensor/tf.ts";

/** What the first loss is multiplied by. */
const FIRST = 2 ** 16;
/** Steps in a row whose gradients are finite, after which the scale is doubled. */
const INTERVAL = 2000;
/** Below this it does not fall: gradients that are not finite then are so by themselves, and no step is skipped for them. */
const LEAST = 1;

/** Scalars: what the loss is multiplied by, finite steps since that changed, and steps that were skipped so far. */
export type LossScale = Record<"scale" | "finite" | "skipped", Tensor>;

export const initLossScale = (): LossScale => ({
  scale: tf.scalar(FIRST),
  finite: tf.scalar(0),
  skipped: tf.scalar(0),
});

/** Whether a step is taken whose gradients have this global norm (bool, a scalar). */
export const isTaken = (norm: Tensor, { scale }: LossScale): Tensor =>
  tf.logicalOr(tf.isFinite(norm), tf.lessEqual(scale, LEAST));

/** What a step leaves that was taken, or skipped. */
export function nextLossScale({ scale, finite, skipped }: LossScale, taken: Tensor): LossScale {
  const more = tf.add(finite, 1);
  const grows = tf.greaterEqual(more, INTERVAL);
  const grown = tf.where(grows, tf.mul(scale, 2), scale);
  return {
    scale: tf.where(taken, grown, tf.maximum(tf.mul(scale, 0.5), LEAST)),
    finite: tf.where(tf.logicalAnd(taken, tf.logicalNot(grows)), more, 0),
    skipped: tf.where(taken, skipped, tf.add(skipped, 1)),
  };
}
