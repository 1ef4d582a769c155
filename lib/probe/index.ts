export {
  type BlockFeatures,
  type FeatureExtractor,
  featureExtractor,
  linearProbe,
  type ProbedImages,
  type ProbeOptions,
} from "./linear.ts";
