/** The models of the DiT and SiT papers: four sizes, three patch sizes. Nothing is made until it is asked for. */
import { checkTransformerConfig, TRANSFORMER_DEFAULTS, type TransformerConfig } from "./config.ts";
import { makeNetwork } from "./make.ts";

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
export type ModelName = `${ModelFamily}-${ModelSize}/${(typeof MODEL_PATCHES)[number]}`;

/** All of them, for example `SiT-XL/2`. */
export const MODEL_NAMES: readonly ModelName[] = MODEL_FAMILIES.flatMap((family) =>
  (Object.keys(MODEL_SIZES) as ModelSize[]).flatMap((size) =>
    MODEL_PATCHES.map((patch): ModelName => `${family}-${size}/${patch}`),
  ),
);

/** A name's parts; throws when there is no such model. */
export function parseModelName(name: string): {
  name: ModelName;
  family: ModelFamily;
  size: ModelSize;
  patchSize: number;
} {
  if (!(MODEL_NAMES as readonly string[]).includes(name)) {
    throw new Error(
      `unknown model '${name}'; expected ${MODEL_FAMILIES.join(" or ")}, a size of ${Object.keys(MODEL_SIZES).join(", ")} ` +
        `and a patch of ${MODEL_PATCHES.join(", ")}, as in SiT-XL/2`,
    );
  }
  const [, family, size, patch] = /^(\w+)-(\w+)\/(\d)$/.exec(name)!;
  return {
    name: name as ModelName,
    family: family as ModelFamily,
    size: size as ModelSize,
    patchSize: Number(patch),
  };
}

/**
 * A model of the papers on 32x32 latents of 4 channels (images of 256x256) and 1000 classes, unless `changes` say
 * otherwise: `{ inputSize: 64 }` for 512x512. A DiT also predicts the variance: twice the channels.
 * Throws on an unknown name, and on sizes that do not fit.
 */
export function modelConfig(name: ModelName, changes: Partial<TransformerConfig> = {}): TransformerConfig {
  const { family, size, patchSize } = parseModelName(name);
  const data = { inputSize: 32, inChannels: 4, numClasses: 1000 };
  const config: TransformerConfig = {
    ...TRANSFORMER_DEFAULTS,
    ...MODEL_SIZES[size],
    patchSize,
    ...data,
    ...changes,
  };
  if (family === "DiT") config.outChannels ??= 2 * config.inChannels;
  checkTransformerConfig(config);
  return config;
}

/** The number of parameters, the fixed position embedding included, as the papers count. */
export const parameterCount = (config: TransformerConfig): number =>
  Object.values(makeNetwork(config).shapes).reduce(
    (sum, shape) => sum + shape.reduce((product, d) => product * d, 1),
    0,
  );

/**
 * Multiply-adds of a forward pass of one sample, which the papers call Gflops when divided by 1e9:
 * those of matrix products, two floating-point operations each.
 */
export function forwardMultiplyAdds(config: TransformerConfig): number {
  const { depth, hiddenSize: d, patchSize: p, inputSize, inChannels, mlpRatio } = config;
  const { outChannels = inChannels } = config;
  const tokens = (inputSize / p) ** 2;
  const linear = tokens * (4 * d * d + 2 * d * Math.trunc(d * mlpRatio));
  const attention = 2 * tokens * tokens * d;
  const block = linear + attention + 6 * d * d;
  const embedding = tokens * p * p * inChannels * d + 256 * d + d * d;
  const final = 2 * d * d + tokens * d * p * p * outChannels;
  return embedding + depth * block + final;
}
