export { scaledDotProductAttention } from "./attention.ts";
export {
  labelEmbedding,
  patchEmbedding,
  patchesOf,
  positionEmbedding,
  timestepEmbedding,
  timestepFrequencies,
  unpatchify,
} from "./embeddings.ts";
export { gelu, modulatedLayerNorm, silu } from "./fused.ts";
export {
  avgPool2d,
  type Conv2dOptions,
  conv2d,
  maxPool2d,
  type Padding,
  type PoolOptions,
  upsampleConv2d,
} from "./images.ts";
export { linearInit, normalInit, xavierUniform } from "./init.ts";
export { type AttentionOptions, attention, layerNorm, linear, mlp, siluMlp } from "./layers.ts";
export { remat } from "./remat.ts";
export type { TokenGroups } from "./token-groups.ts";
