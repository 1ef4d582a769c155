export { type GaussianAccumulator, gaussianAccumulator } from "./accumulate.ts";
export { type CaptionAgreement, type FactReader, factReader } from "./caption-facts.ts";
export { type SampleMetrics, sampleMetrics } from "./evaluate.ts";
export { checkFeatures, type Features } from "./features.ts";
export { frechetDistance } from "./frechet.ts";
export { type BatchShare, type ImageBatch, type ImageFiles, imageSize } from "./images/batch.ts";
export { type ImageFilesOptions, openImageFiles } from "./images/files.ts";
export {
  type CollectOptions,
  collectFeatures,
  METRICS,
  type MetricName,
  type SetFeatures,
  shareFeatures,
} from "./inception/collect.ts";
export { type InceptionMetrics, inceptionMetrics } from "./inception/evaluate.ts";
export {
  type FeatureOptions,
  type InceptionExtractor,
  type InceptionFeatures,
  inceptionExtractor,
} from "./inception/features.ts";
export type { InceptionArrays } from "./inception/layers.ts";
export { inceptionShapes } from "./inception/layers.ts";
export { type InceptionOutputs, inception } from "./inception/network.ts";
export { type ReferenceOptions, writeReference } from "./inception/reference.ts";
export { SUITE_NAMES, type SuiteName } from "./inception/suites.ts";
export { foldInception, readInception } from "./inception/weights.ts";
export {
  type InceptionScoreAccumulator,
  type InceptionScoreOptions,
  inceptionScore,
  inceptionScoreAccumulator,
} from "./inception-score.ts";
export { type Interval, jackknifeInterval, meanInterval, shareInterval } from "./intervals.ts";
export { type KernelDistance, type KernelDistanceOptions, kernelDistance } from "./kernel-distance.ts";
export { openPickScore, type PickScore } from "./pickscore.ts";
export { type PrecisionRecall, precisionRecall } from "./precision-recall.ts";
export { cnnFeatures, cnnFeaturesOfSet, type Evaluated, type SmallCnn } from "./small-cnn.ts";
export { type GaussianStatistics, gaussianStatistics } from "./stats.ts";
