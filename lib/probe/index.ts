export {
  type CachedExtractor,
  type CacheOptions,
  cachedExtractor,
  type ExtractRequest,
  type StoredFeatures,
} from "./cached.ts";
export { linearCKA } from "./cka.ts";
export type { Extractor, ProbedImages } from "./extract.ts";
export {
  type BlockFeatures,
  blockTokenExtractor,
  type FeatureExtractor,
  featureExtractor,
  type LabelledFeatures,
  type TokenFeatures,
  tokenExtractor,
} from "./features.ts";
export type { ProbedSet } from "./images.ts";
export {
  linearProbe,
  PAPER_PROBE,
  type ProbeOptions,
  type ProbeRecipe,
  type ProbeSettings,
  type QuickProbe,
} from "./linear.ts";
export { type FeatureNorms, featureNorms } from "./norms.ts";
export { pcaColors } from "./pca.ts";
export type { FeatureRows } from "./rows.ts";
