/**
 * Contrastive flow matching (arXiv 2506.05350): what is predicted for a sample is pushed away from the target of another
 * one of the batch. No head, no teacher, no parameters.
 */
import type { Network } from "../models/network.ts";
import { flag, z } from "../schema.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { type Method, type Setting, weight } from "./method.ts";

export const contrastiveConfig = z.strictObject({
  method: z.literal("contrastive"),
  weight,
  spareDropped: flag(
    "Samples whose condition is dropped have no part in it; the mean is over the others. Default: no.",
  ).optional(),
});
export type ContrastiveConfig = z.infer<typeof contrastiveConfig>;

/** Another sample of the batch for each: i + 1 + floor(u (B-1)) of u [B] in [0, 1), counted around; int32 [B]. */
function othersOf(u: Tensor): Tensor {
  const [batch] = u.shape;
  const ahead = tf.add(tf.floor(tf.mul(u, batch - 1)), 1);
  // A draw of nearly 1 must not come around to the sample itself.
  const places = tf.add(tf.range(0, batch), tf.minimum(ahead, Math.max(batch - 1, 0)));
  const wrapped = tf.sub(places, tf.mul(tf.cast(tf.greaterEqual(places, batch), "float32"), batch));
  return tf.cast(wrapped, "int32");
}

/** The method: -1 times the mean squared distance from another sample's velocity (its eq. 5, with lambda as the weight). */
export function contrastive(
  { weight, spareDropped = false }: ContrastiveConfig,
  { process }: Setting,
): Method {
  return {
    name: "contrastive",
    weight,
    faults:
      process.config.type === "interpolant"
        ? []
        : [["method", "one that needs no velocity, which a process in steps has none of"]],
    taps: [],
    couplesSamples: true,
    draws: { other: (random) => random.uniform() },
    loss({ output, input, batch, draws }) {
      const others = othersOf(draws.other);
      const [x, noise, t] = [batch.x, batch.noise, batch.t].map((of): Tensor => tf.gather(of, others));
      const distances = process.loss(output, input, { x, noise, t });
      if (!spareDropped || !batch.dropped) return tf.neg(tf.mean(distances));
      const kept = tf.sub(1, tf.cast(batch.dropped, "float32"));
      return tf.neg(tf.div(tf.sum(tf.mul(kept, distances)), tf.maximum(tf.sum(kept), 1)));
    },
    describe: () => ({ "spares dropped conditions": spareDropped }),
  };
}

/**
 * A network that was trained with it at weight lambda, without what the other samples' targets put into its velocity: it has
 * learned (u - lambda m) / (1 - lambda), where u is what plain training learns and m the mean velocity of all samples. That is
 * minus the data's mean, `mean` [C,H,W], on the linear path, and on the cosine one with uniform times. Needed under guidance.
 */
export function withoutInterference(
  network: Network,
  { weight, mean }: { weight: number; mean: Tensor },
): Network {
  if (!(weight >= 0 && weight < 1))
    throw new RangeError(`the weight of contrastive flow matching must be from 0 to below 1, got ${weight}`);
  if (`${mean.shape}` !== `${network.input}`)
    throw new Error(`the data's mean must be [${network.input}], as an input is, got [${mean.shape}]`);
  return {
    ...network,
    apply(params, x, t, condition, options) {
      const { output, taps } = network.apply(params, x, t, condition, options);
      const common = tf.mul(tf.expandDims(mean, 0), -weight);
      return { output: tf.add(tf.mul(output, 1 - weight), common), taps };
    },
  };
}
