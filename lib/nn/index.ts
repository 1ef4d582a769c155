export {
  labelEmbedding,
  patchEmbedding,
  positionEmbedding,
  timestepEmbedding,
  timestepFrequencies,
  unpatchify,
} from "./embeddings.ts";
export { gelu, modulatedLayerNorm, scaledDotProductAttention, silu } from "./fused.ts";
export { type Conv2dOptions, conv2d, upsampleConv2d } from "./images.ts";
export { normalInit, xavierUniform } from "./init.ts";
export { attention, layerNorm, linear, mlp, siluMlp } from "./layers.ts";
export { remat } from "./remat.ts";
