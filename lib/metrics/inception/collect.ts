/** What metrics need of a set of images, gathered in one pass over them. */
import type { Communicator } from "../../distributed/communicator.ts";
import { partsOf, shareOut } from "../../distributed/share.ts";
import { randomGenerator } from "../../tensor/random.ts";
import { type GaussianAccumulator, gaussianAccumulator } from "../accumulate.ts";
import type { Features } from "../features.ts";
import { type ImageFiles, nextBatch } from "../images/batch.ts";
import { inceptionScoreAccumulator } from "../inception-score.ts";
import type { GaussianStatistics } from "../stats.ts";
import { FEATURE_SIZES, type InceptionExtractor, type InceptionFeatures } from "./features.ts";

export const METRICS = ["fid", "sfid", "is", "pr", "kid"] as const;
export type MetricName = (typeof METRICS)[number];

/** What the metrics need of a set. */
export interface SetFeatures {
  count: number;
  /** Of every image, [N,2048], for precision, recall and KID. */
  pool?: Features;
  /** Inception Scores of the splits. */
  scores?: number[];
  statistics: { pool?: GaussianStatistics; spatial?: GaussianStatistics };
  /** Of the pooled features of a random half, for the bias of few images. */
  half?: { count: number; statistics: GaussianStatistics };
  /** Statistics without one of equal random groups of the images each, for confidence intervals. */
  without?: { groups: number } & Record<"pool" | "spatial", (group: number) => Promise<GaussianStatistics>>;
}

export interface CollectOptions {
  /** Those that compute the features together, of which this is the first; the others call `shareFeatures`. */
  ranks?: Communicator;
  /** What is gathered. Default: for all of them. */
  metrics?: readonly MetricName[];
  /** Also what the confidence intervals of FID and sFID need: 1 GB. Default: no. */
  intervals?: boolean;
  onProgress?(done: number, total: number): void;
}

/** Images that one file of the cache holds the features of, at most; a multiple of those that the network takes at a time. */
const PIECE = { unit: 16, most: 256 };
/** Groups of images that are left out in turn. */
const GROUPS = 10;

/**
 * Features of all images of a set. Memory does not grow with their number but for the pooled features, 8 kB an image,
 * which precision, recall and KID compare.
 * @throws as `openImageFiles` does while it reads; when images differ in size, or are fewer than two.
 */
export async function collectFeatures(
  files: ImageFiles,
  extractor: InceptionExtractor,
  { ranks, metrics = METRICS, intervals = false, onProgress }: CollectOptions = {},
): Promise<SetFeatures> {
  const { count } = files;
  if (count < 2) throw new Error(`metrics need at least 2 images, got ${count}`);
  const wants = (...names: MetricName[]): boolean => names.some((name) => metrics.includes(name));
  const { pool: size, probabilities: classes, spatial: spatialSize } = FEATURE_SIZES;
  const parts = intervals && count >= 2 * GROUPS ? GROUPS : 2;
  const gaussians = {
    pool: wants("fid") ? await gaussianAccumulator(size, parts) : undefined,
    spatial: wants("sfid") ? await gaussianAccumulator(spatialSize, parts) : undefined,
  };
  const scores = wants("is") ? inceptionScoreAccumulator(classes) : undefined;
  const pool = wants("pr", "kid") ? { data: new Float32Array(count * size), count, size } : undefined;
  const groupOf = balancedGroups(parts);
  const inHalf = (group: number): boolean => group < parts / 2;
  let [done, half] = [0, 0];
  try {
    for await (const features of shareFeatures(files, extractor, ranks)) {
      checkFinite(features, done);
      const rows = { count: features.pool.length / size };
      const groups = Array.from({ length: rows.count }, groupOf);
      await gaussians.pool?.add({ data: features.pool, size, ...rows }, groups);
      await gaussians.spatial?.add({ data: features.spatial, size: spatialSize, ...rows }, groups);
      scores?.add({ data: features.probabilities, size: classes, ...rows });
      pool?.data.set(features.pool, done * size);
      done += rows.count;
      half += groups.filter(inHalf).length;
      onProgress?.(done, count);
    }
  } finally {
    await gaussians.pool?.finish();
    await gaussians.spatial?.finish();
  }
  if (done !== count) throw new Error(`expected ${count} images, got ${done}`);
  const all = Array.from({ length: parts }, (_, group) => group);
  const without = (sums?: GaussianAccumulator) => async (group: number) =>
    sums!.statistics(all.filter((other) => other !== group));
  return {
    count,
    pool,
    scores: scores?.scores(),
    statistics: {
      pool: await gaussians.pool?.statistics(),
      spatial: await gaussians.spatial?.statistics(),
    },
    ...(gaussians.pool &&
      half >= 2 && {
        half: { count: half, statistics: await gaussians.pool.statistics(all.filter(inHalf)) },
      }),
    ...(parts === GROUPS && {
      without: { groups: parts, pool: without(gaussians.pool), spatial: without(gaussians.spatial) },
    }),
  };
}

/** Features of all images in their order, piece by piece; with ranks each computes those of its pieces, and has all. */
export async function* shareFeatures(
  files: ImageFiles,
  extractor: InceptionExtractor,
  ranks?: Communicator,
): AsyncGenerator<InceptionFeatures> {
  const pieces = partsOf(files.count, PIECE);
  const own = files.batches(pieces[0].count, ranks);
  const next = async (): Promise<InceptionFeatures> => extractor.extract(await nextBatch(own));
  try {
    yield* shareOut(pieces, next, ranks);
  } finally {
    await own.return(undefined);
  }
}

/**
 * Random groups for images one after the other, each group once in every `parts` images: sets are often in the order of
 * their classes, and neither a part of them nor every tenth image stands for them all.
 */
function balancedGroups(parts: number): () => number {
  const random = randomGenerator(0);
  let left: number[] = [];
  return () => {
    if (left.length === 0) left = Array.from(random.permutation(parts));
    return left.pop()!;
  };
}

function checkFinite(features: InceptionFeatures, done: number): void {
  for (const [name, size] of Object.entries(FEATURE_SIZES)) {
    const at = features[name as keyof InceptionFeatures].findIndex((value) => !Number.isFinite(value));
    if (at >= 0)
      throw new Error(
        `image ${done + Math.floor(at / size)} has ${name} features that are NaN or infinite; the network's weights may be damaged`,
      );
  }
}
