export { checkFeatures, type Features } from "./features.ts";
export { frechetDistance } from "./frechet.ts";
export { type InceptionScoreOptions, inceptionScore } from "./inception-score.ts";
export { type PrecisionRecall, precisionRecall } from "./precision-recall.ts";
export { type GaussianStatistics, gaussianStatistics } from "./stats.ts";
