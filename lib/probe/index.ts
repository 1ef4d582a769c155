export {
  type BlockFeatures,
  type FeatureExtractor,
  featureExtractor,
  linearProbe,
  type ProbeOptions,
} from "./linear.ts";
