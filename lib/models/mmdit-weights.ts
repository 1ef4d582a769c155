/** The parameters of an MMDiT: their names, shapes and beginnings. */
import { positionEmbedding } from "../nn/embeddings.ts";
import { linearShapes, torchInit } from "../nn/init.ts";
import type { Params } from "../tensor/params.ts";
import type { RandomGenerator } from "../tensor/random.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { type MMDiTConfig, POSITIONS } from "./mmdit-config.ts";
import { FREQUENCIES } from "./parts.ts";

/**
 * The features of the empty caption. They are the text encoder's and not learned, but what guidance leads away from, so
 * they are kept with the weights: whoever samples needs no encoder for them. Zeros until training takes them from the data.
 */
export const EMPTY_CAPTION = "null_context";

/** The shape of every parameter by the published name, in the published order. */
export function mmditShapes(config: MMDiTConfig): Record<string, number[]> {
  const { hiddenSize: d, patchSize: p, inChannels: c, depth } = config;
  const inner = Math.trunc(d * config.mlpRatio);
  const shapes: Record<string, number[]> = {};
  const layer = (name: string, inSize: number, outSize: number): void => {
    Object.assign(shapes, linearShapes([name], [inSize, outSize]));
  };
  shapes.pos_embed = [1, POSITIONS ** 2, d];
  shapes[EMPTY_CAPTION] = [config.textTokens, config.textWidth];
  shapes["x_embedder.proj.weight"] = [d, c, p, p];
  shapes["x_embedder.proj.bias"] = [d];
  layer("t_embedder.mlp.0", FREQUENCIES, d);
  layer("t_embedder.mlp.2", d, d);
  layer("context_embedder", config.textWidth, d);
  for (let i = 0; i < depth; i++) {
    for (const stream of ["context_block", "x_block"] as const) {
      const block = `joint_blocks.${i}.${stream}`;
      // Of the text nothing is left behind the last attention.
      const ends = stream === "context_block" && i === depth - 1;
      layer(`${block}.attn.qkv`, d, 3 * d);
      if (!ends) {
        layer(`${block}.attn.proj`, d, d);
        layer(`${block}.mlp.fc1`, d, inner);
        layer(`${block}.mlp.fc2`, inner, d);
      }
      layer(`${block}.adaLN_modulation.1`, d, (ends ? 2 : 6) * d);
    }
  }
  layer("final_layer.linear", d, p * p * c);
  layer("final_layer.adaLN_modulation.1", d, 2 * d);
  return shapes;
}

/** Parameters that are not learned. */
export const fixedParameters = (config: MMDiTConfig): Record<string, () => Tensor> => ({
  pos_embed: () => positionEmbedding(config.hiddenSize, POSITIONS),
  [EMPTY_CAPTION]: () => tf.zeros([config.textTokens, config.textWidth]),
});

/** Random parameters as the released code has them: PyTorch's own for all layers, no modulation begins at zero. */
export function initMMDiT(config: MMDiTConfig, random: RandomGenerator): Params {
  const shapes = mmditShapes(config);
  const fixed = fixedParameters(config);
  const init = (name: string, shape: number[]): Tensor => {
    if (fixed[name]) return fixed[name]();
    const [, ...inputs] = shapes[name.replace(/bias$/, "weight")];
    return torchInit(random, shape, tf.util.sizeFromShape(inputs));
  };
  return Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, init(name, shape)]));
}
