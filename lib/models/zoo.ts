/**
 * The models of the DiT and SiT papers, four sizes and three patch sizes, and the text-to-image model of REPA's and SRA's.
 * Nothing is made until it is asked for.
 */
import { check } from "../schema.ts";
import { TRANSFORMER_DEFAULTS, type TransformerConfig } from "./config.ts";
import { type NetworkConfig, networkConfig } from "./make.ts";
import type { MMDiTConfig } from "./mmdit-config.ts";

export const MODEL_SIZES = {
  S: { depth: 12, hiddenSize: 384, numHeads: 6 },
  B: { depth: 12, hiddenSize: 768, numHeads: 12 },
  L: { depth: 24, hiddenSize: 1024, numHeads: 16 },
  XL: { depth: 28, hiddenSize: 1152, numHeads: 16 },
} as const;
export const MODEL_PATCHES = [2, 4, 8] as const;
export const MODEL_FAMILIES = ["DiT", "SiT"] as const;

export type ModelFamily = (typeof MODEL_FAMILIES)[number];
export type ModelSize = keyof typeof MODEL_SIZES;
/** The class-conditional models. */
export type TransformerName = `${ModelFamily}-${ModelSize}/${(typeof MODEL_PATCHES)[number]}`;
/** The text-to-image model, which is called by its depth. */
export const TEXT_MODEL = "MMDiT-24";
export type ModelName = TransformerName | typeof TEXT_MODEL;

/** All class-conditional ones, for example `SiT-XL/2`. */
export const MODEL_NAMES: readonly TransformerName[] = MODEL_FAMILIES.flatMap((family) =>
  (Object.keys(MODEL_SIZES) as ModelSize[]).flatMap((size) =>
    MODEL_PATCHES.map((patch): TransformerName => `${family}-${size}/${patch}`),
  ),
);

/** The parts of a model's name. */
export type ParsedName =
  | { name: TransformerName; family: ModelFamily; size: ModelSize; patchSize: number }
  | { name: typeof TEXT_MODEL; family: "MMDiT"; patchSize: number };

/** A name's parts; throws when there is no such model. */
export function parseModelName(name: string): ParsedName {
  if (name === TEXT_MODEL) return { name, family: "MMDiT", patchSize: 2 };
  if (!(MODEL_NAMES as readonly string[]).includes(name)) {
    throw new Error(
      `unknown model '${name}'; expected ${MODEL_FAMILIES.join(" or ")}, a size of ${Object.keys(MODEL_SIZES).join(", ")} ` +
        `and a patch of ${MODEL_PATCHES.join(", ")}, as in SiT-XL/2, or ${TEXT_MODEL}`,
    );
  }
  const [, family, size, patch] = /^(\w+)-(\w+)\/(\d)$/.exec(name)!;
  return {
    name: name as TransformerName,
    family: family as ModelFamily,
    size: size as ModelSize,
    patchSize: Number(patch),
  };
}

/**
 * A model of the papers on 32x32 latents of 4 channels (images of 256x256) and 1000 classes, or captions of 77 tokens of
 * width 768, unless `changes` say otherwise: `{ inputSize: 64 }` for 512x512; where a program knows the name only when it
 * runs, of what models of either kind have. A DiT also predicts the variance: twice the channels. Throws on an unknown
 * name, and on sizes that do not fit.
 */
export function modelConfig(name: TransformerName, changes?: Partial<TransformerConfig>): TransformerConfig;
export function modelConfig(name: typeof TEXT_MODEL, changes?: Partial<MMDiTConfig>): MMDiTConfig;
export function modelConfig(
  name: ModelName,
  changes?: Partial<Pick<MMDiTConfig, Exclude<keyof MMDiTConfig & keyof TransformerConfig, "type">>>,
): NetworkConfig;
export function modelConfig(name: ModelName, changes: Partial<NetworkConfig> = {}): NetworkConfig {
  const parsed = parseModelName(name);
  const data = { inputSize: 32, inChannels: 4, patchSize: parsed.patchSize };
  const config =
    parsed.family === "MMDiT"
      ? { ...TEXT_SIZES, ...data, ...changes }
      : { ...TRANSFORMER_DEFAULTS, ...MODEL_SIZES[parsed.size], ...data, numClasses: 1000, ...changes };
  if (parsed.family === "DiT") Object.assign(config, { outChannels: outChannelsOf(config) });
  check(networkConfig, config, "model config");
  return config;
}

/** REPA's text-to-image model, heads of width 32, on captions as CLIP ViT-L/14 has them. */
const TEXT_SIZES = {
  type: "mmdit",
  hiddenSize: 768,
  depth: 24,
  numHeads: 24,
  mlpRatio: 4,
  textWidth: 768,
  textTokens: 77,
} as const;

const outChannelsOf = ({ inChannels, outChannels }: { inChannels: number; outChannels?: number }): number =>
  outChannels ?? 2 * inChannels;
