/**
 * Dispersive loss (Wang & He, arXiv 2506.09027): what a block makes of the samples of a batch is pushed apart. No head,
 * no teacher, no parameters, no pairs of views.
 */
import { count, positive, z } from "../schema.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { blockFault, type Method, type Setting, weight } from "./method.ts";

export const dispersiveConfig = z.strictObject({
  method: z.literal("dispersive"),
  weight,
  block: count(
    "The block whose output is dispersed, counted from 1. The paper: a quarter of the depth; released: the last.",
  ),
  temperature: positive("What squared distances are divided by. The paper: 0.5; released: 1."),
});
export type DispersiveConfig = z.infer<typeof dispersiveConfig>;

/**
 * log of the mean over all pairs of samples, each with itself included, of exp(-|a_i - a_j|^2 / (dim temperature)), for
 * features a [B,T,D] of dim = T D numbers: from -log B, all apart, to 0, all alike.
 */
export function dispersion(features: Tensor, temperature: number): Tensor {
  const [batch] = features.shape;
  const flat = tf.reshape(features, [batch, -1]);
  // Distances are the same around the mean, where their squares lose fewer digits in the differences below.
  const centered: Tensor = tf.sub(flat, tf.mean(flat, 0, true));
  const products: Tensor = tf.matMul(centered, centered, false, true);
  const squares = tf.sum(tf.square(centered), 1, true);
  const between = tf.sub(tf.add(squares, tf.transpose(squares)), tf.mul(products, 2));
  // A sample is at 0 from itself, which the difference of large numbers is not.
  const distances = tf.mul(between, tf.sub(1, tf.eye(batch)));
  return tf.log(tf.mean(tf.exp(tf.div(distances, -flat.shape[1]! * temperature))));
}

export const dispersive = (
  { weight, block, temperature }: DispersiveConfig,
  { network }: Setting,
): Method => ({
  name: "dispersive",
  weight,
  faults: blockFault("block", block, network),
  taps: [block],
  couplesSamples: true,
  loss: ({ features: [features] }) => dispersion(features, temperature),
  describe: () => ({ block, temperature }),
});
