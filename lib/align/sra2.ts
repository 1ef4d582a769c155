/**
 * SRA 2 (arXiv 2601.17830): an early block of the student, through a small MLP, is drawn to the very latents that it is
 * trained on. No teacher and no second pass. There is no official code; what the paper leaves open is said at each choice.
 */
import { patchesOf } from "../nn/embeddings.ts";
import { linearShapes } from "../nn/init.ts";
import { siluLayers } from "../nn/layers.ts";
import { count, flag, z } from "../schema.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { distanceOptions, featureDistance } from "./distances.ts";
import { addedLayers, blockFault, type Method, type Setting, weight } from "./method.ts";

export const sra2Config = distanceOptions.extend({
  method: z.literal("sra2"),
  weight,
  block: count(
    "The student's block that is aligned, counted from 1. The paper: 2 of B's, 8 of L's and XL's.",
  ),
  headLayers: count("Linear layers of the head, between which lies SiLU. The paper: 5."),
  headRatio: count("Width inside the head, in units of the network's. Twice gives the paper's sizes."),
  standardize: flag(
    "Compare both sides less their mean, by their standard deviation, of each sample: where latents are not near unit scale they would swamp the generative loss. Default: no.",
  ).optional(),
});
export type SRA2Config = z.infer<typeof sra2Config>;

/** Keeps the standard deviation of a constant image above 0. */
const EPSILON = 1e-6;

/** Each sample's numbers less their mean, by their standard deviation. */
function standardized(x: Tensor): Tensor {
  const { mean, variance } = tf.moments(x, [1, 2], true);
  return tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, EPSILON)));
}

const HEAD = "head";
/** Linear layers by their places in a sequence, SiLU between. */
const layersOf = ({ headLayers }: SRA2Config): string[] =>
  Array.from({ length: headLayers }, (_, i) => `${HEAD}.${2 * i}`);

/**
 * The method: the mean distance of the head's output from the patches of the clean latents, elementwise for smooth-l1, l1
 * and l2, over the numbers of a token for the cosine. At all times, of the latents as training has them (scaled, sampled).
 */
export function sra2(config: SRA2Config, { network }: Setting): Method {
  const { block, headLayers, headRatio, standardize = false } = config;
  const [channels, height, width] = network.input;
  const patch = Math.sqrt((height * width) / network.tokens);
  const sizes = [
    network.width,
    ...Array(headLayers - 1).fill(headRatio * network.width),
    channels * patch ** 2,
  ];
  const layers = layersOf(config);
  const shapes = linearShapes(layers, sizes);
  return {
    name: "sra2",
    weight: config.weight,
    faults: blockFault("block", block, network),
    taps: [block],
    parameters: addedLayers(shapes),
    loss({ params, features: [features], batch }) {
      const sides = [siluLayers(params, layers, features), patchesOf(batch.x, patch)];
      const [student, target] = standardize ? sides.map(standardized) : sides;
      return featureDistance(student, target, config);
    },
    describe: () => ({
      block,
      head: `${headLayers} layers, ${headRatio * network.width} wide`,
      distance: config.distance,
      standardize,
    }),
  };
}
