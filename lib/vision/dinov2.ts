/** DINOv2's vision transformer (Oquab et al. 2023): what REPA's students are drawn to. */
import { inHeads, multiHeadAttention } from "../nn/attention.ts";
import { patchEmbedding } from "../nn/embeddings.ts";
import { exactGelu } from "../nn/fused.ts";
import { linearShapes } from "../nn/init.ts";
import { layerNorm, linear } from "../nn/layers.ts";
import { type Params, param } from "../tensor/params.ts";
import { type Tensor, tf } from "../tensor/tf.ts";

export interface DINOv2Config {
  width: number;
  depth: number;
  heads: number;
  mlpWidth: number;
  patchSize: number;
  /** Side of the grid of patches that its position table is for; 37 of the published ones. */
  grid: number;
}

const EPSILON = 1e-6;

/** The shape of every parameter, by the names of the published repository. */
export function dinov2Shapes({
  width,
  depth,
  mlpWidth,
  patchSize,
  grid,
}: DINOv2Config): Record<string, number[]> {
  const shapes: Record<string, number[]> = {
    cls_token: [1, 1, width],
    pos_embed: [1, grid ** 2 + 1, width],
    "patch_embed.proj.weight": [width, 3, patchSize, patchSize],
    "patch_embed.proj.bias": [width],
  };
  const layer = (name: string, inSize: number, outSize: number): void => {
    Object.assign(shapes, linearShapes([name], [inSize, outSize]));
  };
  const norm = (name: string): void => {
    shapes[`${name}.weight`] = [width];
    shapes[`${name}.bias`] = [width];
  };
  for (let i = 0; i < depth; i++) {
    const name = `blocks.${i}`;
    norm(`${name}.norm1`);
    layer(`${name}.attn.qkv`, width, 3 * width);
    layer(`${name}.attn.proj`, width, width);
    shapes[`${name}.ls1.gamma`] = [width];
    norm(`${name}.norm2`);
    layer(`${name}.mlp.fc1`, width, mlpWidth);
    layer(`${name}.mlp.fc2`, mlpWidth, width);
    shapes[`${name}.ls2.gamma`] = [width];
  }
  norm("norm");
  return shapes;
}

/** The tokens after the last block, the class's first, and the queries and keys of each block that is `wanted`. */
function encoded(
  params: Params,
  { depth, heads, patchSize }: DINOv2Config,
  x: Tensor,
  wanted: readonly number[] = [],
): { tokens: Tensor; attention: Tensor[] } {
  const norm = (name: string, y: Tensor): Tensor => layerNorm(params, name, y, EPSILON);
  const patches = patchEmbedding(params, "patch_embed.proj", x, patchSize);
  const first = tf.tile(param(params, "cls_token"), [x.shape[0], 1, 1]);
  let tokens: Tensor = tf.add(tf.concat([first, patches], 1), param(params, "pos_embed"));
  const found = new Map<number, Tensor[]>();
  for (let i = 0; i < depth; i++) {
    const name = `blocks.${i}`;
    const qkv = linear(params, `${name}.attn.qkv`, norm(`${name}.norm1`, tokens));
    const [q, k, v]: Tensor[] = tf.split(qkv, 3, 2);
    if (wanted.includes(i + 1)) found.set(i + 1, [q, k]);
    const attended = linear(params, `${name}.attn.proj`, multiHeadAttention(q, k, v, heads));
    tokens = tf.add(tokens, tf.mul(attended, param(params, `${name}.ls1.gamma`)));
    const inner = exactGelu(linear(params, `${name}.mlp.fc1`, norm(`${name}.norm2`, tokens)));
    const changed = linear(params, `${name}.mlp.fc2`, inner);
    tokens = tf.add(tokens, tf.mul(changed, param(params, `${name}.ls2.gamma`)));
  }
  return { tokens, attention: wanted.flatMap((block) => found.get(block)!) };
}

/** Tokens [B,T+1,...] without the first, the class's. */
const patchesOf = (tokens: Tensor): Tensor => tf.slice(tokens, [0, 1, 0], [-1, tokens.shape[1]! - 1, -1]);

/**
 * The normalized patch tokens of images (`x_norm_patchtokens`): x [B,3,H,W], normalized, -> [B,T,width], row by row. The
 * position table must be that of the images' grid.
 */
export const dinov2Features = (params: Params, config: DINOv2Config, x: Tensor): Tensor =>
  layerNorm(params, "norm", patchesOf(encoded(params, config, x).tokens), EPSILON);

/**
 * Queries and keys of the patches in some blocks, counted from 1, as HASTE compares attention: x as above ->
 * [B, 2 blocks, heads, T, size], those of a block one after the other. The class's token has no part in it.
 */
export const dinov2Attention = (
  params: Params,
  config: DINOv2Config,
  x: Tensor,
  blocks: readonly number[],
): Tensor =>
  tf.stack(
    encoded(params, config, x, blocks).attention.map((part) => inHeads(patchesOf(part), config.heads)),
    1,
  );
