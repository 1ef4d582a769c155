export { type CLIPTextConfig, clipTextFeatures, clipTextShapes, parseCLIPText } from "./clip.ts";
export type { CLIPLayers } from "./clip-layers.ts";
export { type CLIPTextEncoder, openTextEncoder } from "./encoder.ts";
