/** The metrics of the paper's tables, from the FID network's features of two sets of images. */
import { gaussianAccumulator } from "../accumulate.ts";
import type { Features } from "../features.ts";
import { frechetDistance } from "../frechet.ts";
import type { ImageFiles } from "../image-sets.ts";
import { inceptionScore } from "../inception-score.ts";
import { type KernelDistance, kernelDistance } from "../kernel-distance.ts";
import { type PrecisionRecall, precisionRecall } from "../precision-recall.ts";
import type { GaussianStatistics } from "../stats.ts";
import { FEATURE_SIZES, type InceptionExtractor, type InceptionFeatures } from "./features.ts";

export const METRICS = ["fid", "sfid", "is", "pr", "kid"] as const;
export type MetricName = (typeof METRICS)[number];

/** What the metrics need of a set. */
export interface SetFeatures {
  count: number;
  /** Absent where only statistics were published. */
  pool?: Features;
  probabilities?: Features;
  statistics: { pool?: GaussianStatistics; spatial?: GaussianStatistics };
  /** Of the pooled features of the first half, for the bias of few images. */
  half?: GaussianStatistics;
}

/** Images that one file of the cache holds the features of. */
const PIECE = 256;

/**
 * Features of all images of a set. Beside 12 kB an image for precision, recall and the scores, memory does not grow
 * with their number.
 * @throws as `openImageFiles` does while it reads; when images differ in size.
 */
export async function collectFeatures(
  files: ImageFiles,
  extractor: InceptionExtractor,
  onProgress?: (done: number, total: number) => void,
): Promise<SetFeatures> {
  const { count } = files;
  const matrix = (name: keyof InceptionFeatures): Features => ({
    data: new Float32Array(count * FEATURE_SIZES[name]),
    count,
    size: FEATURE_SIZES[name],
  });
  const [pool, probabilities] = [matrix("pool"), matrix("probabilities")];
  const sums = await gaussianAccumulator(FEATURE_SIZES.pool);
  const spatialSums = await gaussianAccumulator(FEATURE_SIZES.spatial);
  const middle = Math.floor(count / 2);
  let half: GaussianStatistics | undefined;
  let done = 0;
  const add = async (accumulator: typeof sums, data: Float32Array, size: number): Promise<void> => {
    if (data.length > 0)
      await accumulator.add({ data: data as Float32Array, count: data.length / size, size });
  };
  let first: { width: number; height: number } | undefined;
  try {
    for await (const images of files.batches(PIECE)) {
      first ??= images[0];
      const other = images.find(({ width, height }) => width !== first!.width || height !== first!.height);
      if (other)
        throw new Error(
          `images must have one size: the first is ${first.width} x ${first.height}, another ${other.width} x ${other.height}`,
        );
      const features = await extractor.extract(images);
      pool.data.set(features.pool, done * pool.size);
      probabilities.data.set(features.probabilities, done * probabilities.size);
      const cut = Math.min(Math.max(middle - done, 0), images.length) * pool.size;
      await add(sums, features.pool.subarray(0, cut), pool.size);
      if (cut > 0 && done + cut / pool.size === middle && middle >= 2) half = sums.statistics();
      await add(sums, features.pool.subarray(cut), pool.size);
      await add(spatialSums, features.spatial, FEATURE_SIZES.spatial);
      done += images.length;
      onProgress?.(done, count);
    }
    if (done !== count) throw new Error(`expected ${count} images, got ${done}`);
    return {
      count,
      pool,
      probabilities,
      statistics: { pool: sums.statistics(), spatial: spatialSums.statistics() },
      half,
    };
  } finally {
    sums.dispose();
    spatialSums.dispose();
  }
}

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
  const need = <T>(value: T | undefined, set: string, what: string): T => {
    if (value === undefined) throw new Error(`the ${set} has no ${what}`);
    return value;
  };
  const images = "images, which precision, recall and KID compare";
  const result: InceptionMetrics = {};
  for (const metric of metrics) {
    if (metric === "fid") {
      const expected = need(reference.statistics.pool, "reference", "statistics of pooled features");
      result.fid = frechetDistance(expected, need(samples.statistics.pool, "sample set", "statistics"));
      if (samples.half) result.fidBias = frechetDistance(expected, samples.half) - result.fid;
    } else if (metric === "sfid") {
      const expected = need(reference.statistics.spatial, "reference", "statistics of spatial features");
      result.sfid = frechetDistance(expected, need(samples.statistics.spatial, "sample set", "statistics"));
    } else if (metric === "is") {
      result.is = inceptionScore(need(samples.probabilities, "sample set", "images"));
    } else {
      const [real, made] = [
        need(reference.pool, "reference", images),
        need(samples.pool, "sample set", images),
      ];
      if (metric === "pr") Object.assign(result, await precisionRecall(real, made));
      else result.kid = await kernelDistance(real, made);
    }
  }
  return result;
}
