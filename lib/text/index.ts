export { type CLIPTextConfig, clipTextFeatures, clipTextShapes, parseCLIPText } from "./clip.ts";
export { openTextEncoder, type TextEncoder } from "./encoder.ts";
