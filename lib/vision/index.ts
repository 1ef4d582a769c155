export { bicubic } from "./bicubic.ts";
export { type DINOv2Config, dinov2Attention, dinov2Features, dinov2Shapes } from "./dinov2.ts";
export {
  type ImageEncoder,
  type ImageEncoderOptions,
  normalizedPixels,
  openImageEncoder,
  resizedPositions,
} from "./encoder.ts";
export type { Colours } from "./patch-network.ts";
export { readDINOv2 } from "./weights.ts";
