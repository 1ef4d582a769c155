export { linearCKA } from "./cka.ts";
export {
  type BlockFeatures,
  type Extractor,
  type FeatureExtractor,
  featureExtractor,
  type ProbedImages,
  type TokenFeatures,
  tokenExtractor,
} from "./features.ts";
export {
  linearProbe,
  PAPER_PROBE,
  type ProbeOptions,
  type ProbeRecipe,
  type ProbeSettings,
  type QuickProbe,
} from "./linear.ts";
export { pcaColors } from "./pca.ts";
export type { FeatureRows } from "./rows.ts";
