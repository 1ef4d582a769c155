export { type GaussianAccumulator, gaussianAccumulator } from "./accumulate.ts";
export { type SampleMetrics, sampleMetrics } from "./evaluate.ts";
export { checkFeatures, type Features } from "./features.ts";
export { frechetDistance } from "./frechet.ts";
export { type ImageFiles, openImageFiles } from "./image-sets.ts";
export {
  collectFeatures,
  type InceptionMetrics,
  inceptionMetrics,
  METRICS,
  type MetricName,
  type SetFeatures,
} from "./inception/evaluate.ts";
export {
  type FeatureOptions,
  type InceptionExtractor,
  type InceptionFeatures,
  inceptionExtractor,
} from "./inception/features.ts";
export { inceptionShapes } from "./inception/layers.ts";
export { type InceptionOutputs, inception } from "./inception/network.ts";
export { SUITE_NAMES, type SuiteName } from "./inception/suites.ts";
export { foldInception, type InceptionArrays, readInception } from "./inception/weights.ts";
export { type InceptionScoreOptions, inceptionScore } from "./inception-score.ts";
export { type KernelDistance, type KernelDistanceOptions, kernelDistance } from "./kernel-distance.ts";
export { type PrecisionRecall, precisionRecall } from "./precision-recall.ts";
export { cnnFeatures, cnnFeaturesOfSet, type Evaluated, loadSmallCnn, type SmallCnn } from "./small-cnn.ts";
export { type GaussianStatistics, gaussianStatistics } from "./stats.ts";
