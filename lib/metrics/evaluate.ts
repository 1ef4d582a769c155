import { frechetDistance } from "./frechet.ts";
import { inceptionScore } from "./inception-score.ts";
import { precisionRecall } from "./precision-recall.ts";
import type { Evaluated } from "./small-cnn.ts";
import { gaussianStatistics } from "./stats.ts";

/** Metrics of generated samples against reference images in one feature space. */
export interface SampleMetrics {
  /** Frechet distance of Gaussians fitted to the features, lower is better. */
  frechet: number;
  /** Inception Score with the feature network's classes, from 1 to their number, higher is better. */
  inceptionScore: number;
  /** Improved precision (k = 3), 0 to 1. */
  precision: number;
  /** Improved recall (k = 3), 0 to 1. */
  recall: number;
}

/** Precision and recall compare equally many reference images, because both depend on the number. */
export async function sampleMetrics(reference: Evaluated, samples: Evaluated): Promise<SampleMetrics> {
  const { size, data } = reference.features;
  const count = Math.min(reference.features.count, samples.features.count);
  const part = { data: data.slice(0, count * size), count, size };
  return {
    frechet: await frechetDistance(
      gaussianStatistics(reference.features),
      gaussianStatistics(samples.features),
    ),
    inceptionScore: inceptionScore(samples.probabilities),
    ...(await precisionRecall(part, samples.features)),
  };
}
