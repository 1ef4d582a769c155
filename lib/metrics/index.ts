export { type SampleMetrics, sampleMetrics } from "./evaluate.ts";
export { checkFeatures, type Features } from "./features.ts";
export { frechetDistance } from "./frechet.ts";
export { type InceptionScoreOptions, inceptionScore } from "./inception-score.ts";
export { type PrecisionRecall, precisionRecall } from "./precision-recall.ts";
export { cnnFeatures, cnnFeaturesOfSet, type Evaluated, loadSmallCnn, type SmallCnn } from "./small-cnn.ts";
export { type GaussianStatistics, gaussianStatistics } from "./stats.ts";
