export { type CLIPTextConfig, clipTextFeatures, clipTextShapes, parseCLIPText } from "./clip.ts";
export { type CLIPTextEncoder, openTextEncoder } from "./encoder.ts";
