/** The metrics of the paper's tables, from the FID network's features of two sets of images. */
import { frechetDistancesFrom } from "../frechet.ts";
import { type Interval, jackknifeInterval, meanInterval, shareInterval } from "../intervals.ts";
import { type KernelDistance, kernelDistance } from "../kernel-distance.ts";
import { type PrecisionRecall, precisionRecall } from "../precision-recall.ts";
import type { GaussianStatistics } from "../stats.ts";
import { METRICS, type MetricName, type SetFeatures } from "./collect.ts";

export interface InceptionMetrics extends Partial<PrecisionRecall> {
  fid?: number;
  /**
   * What the number of samples adds to the FID: the distance falls as F + c / N, so that half of the samples show c / N.
   */
  fidBias?: number;
  sfid?: number;
  /** Inception Score. */
  is?: number;
  kid?: KernelDistance;
  /**
   * 95 % confidence intervals for other samples of the same model and number, beside the same reference. FID and sFID:
   * where the samples were collected with `intervals`, by the jackknife. Inception Score: from its splits, where there
   * are two or more. Precision: as of a share. Recall has none: samples decide its manifold.
   */
  intervals: Partial<Record<"fid" | "sfid" | "is" | "precision", Interval>>;
}

/**
 * The metrics of samples against a reference.
 * @throws naming what a set lacks for a metric.
 */
export async function inceptionMetrics(
  reference: SetFeatures,
  samples: SetFeatures,
  metrics: readonly MetricName[] = METRICS,
): Promise<InceptionMetrics> {
  const result: InceptionMetrics = { intervals: {} };
  const { intervals } = result;
  for (const metric of metrics) {
    if (metric === "fid") {
      const expected = gaussianOf(reference, "pool", "reference");
      const distanceTo = frechetDistancesFrom(expected);
      result.fid = await distanceTo(gaussianOf(samples, "pool", "sample set"));
      if (samples.half) {
        const { count, statistics } = samples.half;
        result.fidBias = ((await distanceTo(statistics)) - result.fid) / (samples.count / count - 1);
      }
      intervals.fid = await frechetInterval(distanceTo, samples, "pool", result.fid);
    } else if (metric === "sfid") {
      const expected = gaussianOf(reference, "spatial", "reference");
      const distanceTo = frechetDistancesFrom(expected);
      result.sfid = await distanceTo(gaussianOf(samples, "spatial", "sample set"));
      intervals.sfid = await frechetInterval(distanceTo, samples, "spatial", result.sfid);
    } else if (metric === "is") {
      const scores = need(samples.scores, "sample set", "class probabilities");
      result.is = scores.reduce((sum, score) => sum + score, 0) / scores.length;
      if (scores.length > 1) intervals.is = meanInterval(scores);
    } else {
      const images = "pooled features of images, which precision, recall and KID compare";
      const real = need(reference.pool, "reference", images);
      const made = need(samples.pool, "sample set", images);
      if (metric === "kid") result.kid = await kernelDistance(real, made);
      else {
        Object.assign(result, await precisionRecall(real, made));
        intervals.precision = shareInterval(result.precision!, made.count);
      }
    }
  }
  return result;
}

function need<T>(value: T | undefined, set: string, what: string): T {
  if (value === undefined) throw new Error(`the ${set} has no ${what}`);
  return value;
}

const gaussianOf = (features: SetFeatures, kind: "pool" | "spatial", set: string): GaussianStatistics =>
  need(features.statistics[kind], set, `statistics of ${kind === "pool" ? "pooled" : "spatial"} features`);

/** As many distances as there are groups: minutes at the network's size. */
async function frechetInterval(
  distanceTo: (statistics: GaussianStatistics) => Promise<number>,
  { without }: SetFeatures,
  kind: "pool" | "spatial",
  distance: number,
): Promise<Interval | undefined> {
  if (!without) return undefined;
  const distances: number[] = [];
  for (let group = 0; group < without.groups; group++)
    distances.push(await distanceTo(await without[kind](group)));
  return jackknifeInterval(distance, distances);
}
