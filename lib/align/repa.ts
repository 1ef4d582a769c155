/**
 * REPA, representation alignment (Yu et al., ICLR 2025, arXiv 2410.06940): one of the student's blocks, through a
 * projector for each encoder, is drawn to the features that frozen encoders have of the clean image. The features come
 * with the data, as an array [T, width] of each image. iREPA (arXiv 2512.10794) is the same with another projector and
 * normalized features.
 */

import { linearShapes } from "../nn/init.ts";
import { siluLayers } from "../nn/layers.ts";
import { count, oneOf, share, z } from "../schema.ts";
import { type Params, param } from "../tensor/params.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { meanCosine } from "./distances.ts";
import { addedLayers, blockFault, type Fault, type Method, type Setting, weight } from "./method.ts";

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
  projector: oneOf(
    ["mlp", "convolution"],
    "What a projector is: three linear layers, REPA's; or one convolution of 3 x 3 over the grid of tokens, iREPA's, which `projectorWidth` is nothing to. Default: mlp.",
  ).optional(),
  targetNorm: share(
    "iREPA's normalization of an encoder's features over the tokens of an image, (z - a mean) / (std + 1e-6): the a. Its code uses 0.6. Default: none.",
  ).optional(),
});
export type REPAConfig = z.infer<typeof repaConfig>;

/** Linear layers of a projector, by their places in the reference's sequence; SiLU lies between. */
const layersOf = (index: number): string[] => [0, 2, 4].map((layer) => `projectors.${index}.${layer}`);

function projectorShapes({ encoders, projectorWidth: inner, projector }: REPAConfig, width: number) {
  const shapes: Record<string, number[]> = {};
  for (const [i, encoder] of encoders.entries()) {
    if (projector === "convolution") {
      shapes[`projectors.${i}.weight`] = [encoder.width, width, KERNEL, KERNEL];
      shapes[`projectors.${i}.bias`] = [encoder.width];
      continue;
    }
    Object.assign(shapes, linearShapes(layersOf(i), [width, inner, inner, encoder.width]));
  }
  return shapes;
}

/** Side of iREPA's convolution. */
const KERNEL = 3;

/** Tokens [B,T,D] -> [B,T,width] by what lies around each of them on a square grid, beyond whose edge there is nothing. */
function convolved(params: Params, index: number, features: Tensor): Tensor {
  const [batch, tokens, width] = features.shape;
  const side = Math.sqrt(tokens);
  const around: Tensor = tf.pad(tf.reshape(features, [batch, side, side, width!]), [
    [0, 0],
    [1, 1],
    [1, 1],
    [0, 0],
  ]);
  const offsets = Array.from({ length: KERNEL ** 2 }, (_, i) => [Math.floor(i / KERNEL), i % KERNEL]);
  const neighbours = offsets.map(([row, column]) =>
    tf.slice(around, [0, row, column, 0], [batch, side, side, width!]),
  );
  const weight = param(params, `projectors.${index}.weight`);
  const matrix = tf.reshape(tf.transpose(weight, [2, 3, 1, 0]), [KERNEL ** 2 * width!, weight.shape[0]]);
  const rows = tf.reshape(tf.concat(neighbours, 3), [batch * tokens, KERNEL ** 2 * width!]);
  const sums = tf.add(tf.matMul(rows, matrix), param(params, `projectors.${index}.bias`));
  return tf.reshape(sums, [batch, tokens, weight.shape[0]]);
}

/** An encoder's features z [B,T,width], (z - a mean) / (std + 1e-6) over the tokens, whose std is the sample's (T-1). */
function normalized(z: Tensor, a: number): Tensor {
  const mean: Tensor = tf.mean(z, 1, true);
  const squares = tf.sum(tf.squaredDifference(z, mean), 1, true);
  const deviation = tf.sqrt(tf.div(squares, z.shape[1]! - 1));
  return tf.div(tf.sub(z, tf.mul(mean, a)), tf.add(deviation, 1e-6));
}

/** Tokens [B,T,D] as encoder number `index` would see them: D -> inner, SiLU, inner -> inner, SiLU, inner -> width. */
const project = (params: Params, index: number, features: Tensor): Tensor =>
  siluLayers(params, layersOf(index), features);

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
  const { block, encoders, projector = "mlp", targetNorm } = config;
  const shapes = projectorShapes(config, network.width);
  return {
    name: "repa",
    weight: config.weight,
    faults: [...blockFault("block", block, network), ...widthFaults(config)],
    taps: [block],
    parameters: addedLayers(shapes),
    arrays: Object.fromEntries(encoders.map(({ array, width }) => [array, [network.tokens, width]])),
    loss({ params, features: [features], batch }) {
      const projected = projector === "mlp" ? project : convolved;
      const cosines = encoders.map(({ array }, i) => {
        const given = batch.arrays![array];
        const target = targetNorm === undefined ? given : normalized(given, targetNorm);
        return meanCosine(projected(params, i, features), target);
      });
      return tf.neg(tf.mean(tf.stack(cosines)));
    },
    describe: () => ({
      block,
      encoders: encoders.map(({ array, width }) => `${array} (${width})`).join(", "),
      projector,
      "target normalization": targetNorm ?? "none",
    }),
  };
}
