/**
 * REPA, representation alignment (Yu et al., ICLR 2025, arXiv 2410.06940): one of the student's blocks, through a
 * projector for each encoder, is drawn to the features that frozen encoders have of the clean image. The features come
 * with the data, as an array [T, width] of each image.
 */

import { silu } from "../nn/fused.ts";
import { linearInit } from "../nn/init.ts";
import { linear } from "../nn/layers.ts";
import { count, z } from "../schema.ts";
import type { Params } from "../tensor/params.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { meanCosine } from "./distances.ts";
import { blockFault, type Fault, type Method, type Setting, weight } from "./method.ts";

export const repaConfig = z.strictObject({
  method: z.literal("repa"),
  weight,
  block: count("The student's block that is aligned, counted from 1."),
  encoders: z
    .array(
      z.strictObject({
        array: z.string("a name").min(1, "a name").describe("The array of the data that holds its features."),
        width: count("Features of a token."),
      }),
      "a list of encoders",
    )
    .min(1, "a list of at least one encoder")
    .describe("The encoders whose features are given."),
  projectorWidth: count("Width inside the projectors. The reference uses 2048."),
});
export type REPAConfig = z.infer<typeof repaConfig>;

/** Linear layers of a projector, by their place in the reference's sequence; SiLU lies between. */
const LAYERS = [0, 2, 4] as const;

function projectorShapes({ encoders, projectorWidth: inner }: REPAConfig, width: number) {
  const shapes: Record<string, number[]> = {};
  for (const [i, encoder] of encoders.entries()) {
    const sizes = [width, inner, inner, encoder.width];
    for (const [j, layer] of LAYERS.entries()) {
      shapes[`projectors.${i}.${layer}.weight`] = [sizes[j + 1], sizes[j]];
      shapes[`projectors.${i}.${layer}.bias`] = [sizes[j + 1]];
    }
  }
  return shapes;
}

/** Tokens [B,T,D] as encoder number `index` would see them: D -> inner, SiLU, inner -> inner, SiLU, inner -> width. */
function project(params: Params, index: number, features: Tensor): Tensor {
  const [first, second, third] = LAYERS.map((layer) => `projectors.${index}.${layer}`);
  return linear(params, third, silu(linear(params, second, silu(linear(params, first, features)))));
}

/** Encoders that share an array see the same features of it. */
const widthFaults = ({ encoders }: REPAConfig): Fault[] =>
  encoders.flatMap(({ array, width }, i): Fault[] => {
    const first = encoders.find((other) => other.array === array)!;
    return first.width === width
      ? []
      : [[`encoders.${i}.width`, `${first.width}, as ${array} has before it`]];
  });

/** The method: -1 times the mean cosine over tokens, samples and encoders, from -1 to 1. */
export function repa(config: REPAConfig, { network }: Setting): Method {
  const { block, encoders } = config;
  const shapes = projectorShapes(config, network.width);
  return {
    name: "repa",
    weight: config.weight,
    faults: [...blockFault("block", block, network), ...widthFaults(config)],
    taps: [block],
    parameters: { shapes, init: (random) => linearInit(shapes, random), averaged: true },
    arrays: Object.fromEntries(encoders.map(({ array, width }) => [array, [network.tokens, width]])),
    loss({ params, features: [features], batch }) {
      const cosines = encoders.map(({ array }, i) =>
        meanCosine(project(params, i, features), batch.arrays![array]),
      );
      return tf.neg(tf.mean(tf.stack(cosines)));
    },
    describe: () => ({
      block,
      encoders: encoders.map(({ array, width }) => `${array} (${width})`).join(", "),
    }),
  };
}
