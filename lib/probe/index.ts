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
export { linearProbe, type ProbeOptions } from "./linear.ts";
export { pcaColors } from "./pca.ts";
