/** Reference batches as ADM publishes them: statistics of a whole data set, beside some of its images. */
import { ndarray, writeNpzStream } from "../../io/index.ts";
import { type ImageFiles, imageSize } from "../images/batch.ts";
import type { GaussianStatistics } from "../stats.ts";
import { type CollectOptions, collectFeatures } from "./collect.ts";
import { FEATURE_SIZES, type InceptionExtractor } from "./features.ts";

export interface ReferenceOptions extends Pick<CollectOptions, "ranks"> {
  /** Images that go along, for precision, recall and KID: evenly spread over the set. Default: 10000, or all. */
  images?: number;
  onProgress?(done: number, total: number): void;
}

/**
 * Writes `mu`, `sigma` (pooled features), `mu_s`, `sigma_s` (spatial) and `arr_0`, uint8 `[images, H, W, 3]`.
 * @param extractor of the suite `adm`, the one that such statistics are of
 * @returns how many images the statistics are of, and how many go along
 * @throws as `collectFeatures` does.
 */
export async function writeReference(
  path: string,
  files: ImageFiles,
  extractor: InceptionExtractor,
  { images = 10_000, ranks, onProgress }: ReferenceOptions = {},
): Promise<{ count: number; images: number }> {
  const { count, statistics } = await collectFeatures(files, extractor, {
    metrics: ["fid", "sfid"],
    ranks,
    onProgress,
  });
  const kept = Math.min(images, count);
  const { width, height } = await imageSize(files);
  await writeNpzStream(path, {
    ...arraysOf("mu", "sigma", statistics.pool!, FEATURE_SIZES.pool),
    ...arraysOf("mu_s", "sigma_s", statistics.spatial!, FEATURE_SIZES.spatial),
    arr_0: {
      dtype: "uint8",
      shape: [kept, height, width, 3],
      pieces: spread(files, kept),
    },
  });
  return { count, images: kept };
}

const arraysOf = (mean: string, covariance: string, statistics: GaussianStatistics, size: number) => ({
  [mean]: ndarray(statistics.mean, [size]),
  [covariance]: ndarray(statistics.covariance, [size, size]),
});

/** `kept` of the images: every one whose number makes a whole step of the spacing. */
async function* spread(files: ImageFiles, kept: number): AsyncGenerator<Uint8Array> {
  let index = 0;
  for await (const batch of files.batches(64)) {
    const chosen = Array.from({ length: batch.count }, (_, i) => {
      const step = (number: number): number => Math.floor((number * kept) / files.count);
      return step(index + i + 1) > step(index + i);
    });
    index += batch.count;
    if (!chosen.includes(true)) continue;
    for (const [i, { data }] of (await batch.pixels()).entries()) if (chosen[i]) yield data;
  }
}
