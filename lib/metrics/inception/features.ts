/** The FID network's features of many images, batch by batch. */
import type { Pixels } from "../../data/index.ts";
import { contentOfParams, fingerprint } from "../../fingerprint.ts";
import { cacheFolder } from "../../home.ts";
import { ndarray, readSafetensors, writeSafetensors } from "../../io/index.ts";
import { keptName, noteUse, removeUnused } from "../../io/kept.ts";
import { jit } from "../../jit/index.ts";
import { type Params, param } from "../../tensor/params.ts";
import { type Tensor, tf } from "../../tensor/tf.ts";
import { type ImageBatch, pixelBatch } from "../images/batch.ts";
import { CLASSES, POOL_FEATURES } from "./layers.ts";
import { inception, SPATIAL_CHANNELS } from "./network.ts";
import { SUITES, type SuiteName, suiteBatch } from "./suites.ts";

/** Of one image after the other. */
export interface InceptionFeatures {
  /** [N,2048] */
  pool: Float32Array;
  /** Class probabilities [N,1008], of the last layer without its bias. */
  probabilities: Float32Array;
  /** [N,17*17*7], pixel by pixel, as ADM's published statistics have them. */
  spatial: Float32Array;
}

/** Features of one image. */
export const FEATURE_SIZES = {
  pool: POOL_FEATURES,
  probabilities: CLASSES,
  spatial: 17 * 17 * SPATIAL_CHANNELS,
} as const satisfies Record<keyof InceptionFeatures, number>;

const NAMES = Object.keys(FEATURE_SIZES) as (keyof InceptionFeatures)[];

export interface FeatureOptions {
  suite: SuiteName;
  /** Images at a time. Default: 16. */
  batchSize?: number;
  /** Keep features in the cache folder, by the images' content, for two weeks after their last use. Default: no. */
  cache?: boolean;
}

export interface InceptionExtractor {
  /** Features of images of one size, which are found again where the cache has them. */
  extract(images: ImageBatch | readonly Pixels[]): Promise<InceptionFeatures>;
  dispose(): Promise<void>;
}

/** The network as a suite uses it, with parameters from `readInception`. */
export function inceptionExtractor(
  params: Params,
  { suite, batchSize = 16, cache = false }: FeatureOptions,
): InceptionExtractor {
  const network = jit(
    (params: Params, x: Tensor) => {
      const input = tf.transpose(SUITES[suite].graph(x), [0, 3, 1, 2]);
      const { pool, logits, spatial } = inception(params, input);
      // Without the bias, as ADM's evaluation and the first Inception Score have it.
      const probabilities = tf.softmax(tf.sub(logits, param(params, "fc.bias")));
      return { pool, probabilities, spatial: tf.transpose(spatial, [0, 2, 3, 1]) };
    },
    { name: `inception-${suite}` },
  );
  let weights: Promise<string> | undefined;
  const tidied = cache ? removeUnused(cacheFolder("features")) : undefined;

  const compute = async (batch: ImageBatch): Promise<InceptionFeatures> => {
    const images = await batch.pixels();
    const features = empty(images.length);
    for (let start = 0; start < images.length; start += batchSize) {
      const part = images.slice(start, start + batchSize);
      // Filled up, because another batch size would be another program to compile.
      const filled = Array.from({ length: batchSize }, (_, i) => part[i % part.length]);
      const x = suiteBatch(suite, images.length < batchSize ? part : filled);
      const outputs = await network(params, x);
      for (const name of NAMES) {
        const values = (await outputs[name].data()) as Float32Array;
        const size = FEATURE_SIZES[name];
        features[name].set(values.subarray(0, part.length * size), start * size);
      }
      tf.dispose([x, outputs]);
    }
    return features;
  };

  return {
    async extract(images) {
      const batch = "pixels" in images ? images : pixelBatch(images);
      if (!cache) return compute(batch);
      await tidied;
      weights ??= contentOfParams(params).then((content) => fingerprint(content));
      const path = cacheFolder("features", keptName(keyOf(batch, suite, await weights)));
      const found = await readCached(path, batch.count);
      if (found) {
        await noteUse(path);
        return found;
      }
      const features = await compute(batch);
      await writeCached(path, features);
      return features;
    },
    dispose: () => network.dispose(),
  };
}

const empty = (count: number): InceptionFeatures => ({
  pool: new Float32Array(count * FEATURE_SIZES.pool),
  probabilities: new Float32Array(count * FEATURE_SIZES.probabilities),
  spatial: new Float32Array(count * FEATURE_SIZES.spatial),
});

/** What features are, apart from suite and weights: another number where that changes. */
const FORMAT = 2;

const keyOf = ({ content, width, height }: ImageBatch, suite: SuiteName, weights: string): string =>
  fingerprint([`${FORMAT} ${suite} ${weights} ${width} ${height}`, ...content]);

/** Features that were kept; none where they are missing or damaged. */
async function readCached(path: string, count: number): Promise<InceptionFeatures | undefined> {
  const file = await readSafetensors(path).catch(() => undefined);
  const fits = NAMES.every((name) => file?.tensors[name]?.data.length === count * FEATURE_SIZES[name]);
  if (!file || !fits) return undefined;
  const { pool, probabilities, spatial } = file.tensors;
  return { pool: pool.data, probabilities: probabilities.data, spatial: spatial.data } as InceptionFeatures;
}

const writeCached = (path: string, features: InceptionFeatures): Promise<void> =>
  writeSafetensors(
    path,
    Object.fromEntries(
      NAMES.map((name) => [
        name,
        ndarray(features[name], [features[name].length / FEATURE_SIZES[name], FEATURE_SIZES[name]]),
      ]),
    ),
  );
