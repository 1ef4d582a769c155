/** What training reads: examples in an endless sequence of shuffled epochs, from memory or from files. */
import { type RandomGenerator, randomStream, type Streams } from "../tensor/random.ts";
import type { Captions } from "./captions.ts";
import type { ImageSet } from "./datasets.ts";
import { imageSetFingerprint } from "./identity.ts";
import { writePlanes } from "./tensors.ts";

export interface Examples {
  /** One example after the other, each of the data's `shape`. */
  values: Float32Array;
  labels: number[];
  /** The number of each image in the data's own order, of files that of their names, which an epoch shuffles. */
  indices: number[];
  /** Further arrays by name, one example after the other. */
  arrays?: Record<string, Float32Array>;
}

/** Examples in epochs, each in a new random order that depends on the seed and the epoch alone. */
export interface TrainingData {
  /** What errors call it. */
  name: string;
  /** Examples of an epoch. */
  count: number;
  /**
   * Channels, height and width of what a model sees. Where `scale` is given examples hold twice the channels: mean and
   * standard deviation of a latent, which training draws and multiplies by `scale`.
   */
  shape: readonly [channels: number, height: number, width: number];
  scale?: number;
  /** The largest label and one; 0 where there are none, and examples have the label 0. */
  classes: number;
  /** Why nobody knows which image an example is: `indices` are then of no use to what belongs to the images. */
  unnumbered?: string;
  /** Shapes of one example's further arrays, by name. */
  arrays?: Readonly<Record<string, readonly number[]>>;
  /** Texts of each image, where it has some. */
  captions?: Captions;
  /** What further arrays are where nothing is said of an image, by name: a caption's features those of no caption. */
  nothing?: Readonly<Record<string, Float32Array>>;
  /**
   * Examples `position` to `position + count` of the sequence: nothing else is needed to go on where a run stopped.
   * @param streams what epochs are shuffled by; default `randomStream`
   * @throws naming the file that is missing, damaged or of another size.
   */
  read(seed: number, position: number, count: number, streams?: Streams): Promise<Examples>;
  /** What tells the content from any other, wherever it lies; runs are gone on with only for the same. */
  fingerprint?(): Promise<string>;
  close(): Promise<void>;
}

/** Which examples lie at `size` positions from `position`. */
type Indices = (seed: number, position: number, size: number, streams?: Streams) => number[];

/** The positions of `count` examples in epochs; remembers the epoch that it was last asked for. */
export function shuffledIndices(count: number): Indices {
  let order: { seed: number; epoch: number; streams: Streams; indices: Uint32Array } | undefined;
  return (seed, position, size, streams = randomStream) =>
    Array.from({ length: size }, (_, i) => {
      const epoch = Math.floor((position + i) / count);
      if (order?.seed !== seed || order.epoch !== epoch || order.streams !== streams)
        order = { seed, epoch, streams, indices: streams(seed, "epoch", epoch).permutation(count) };
      return order.indices[(position + i) % count];
    });
}

/** Images in memory as training data; what is training data stays as it is. */
export const asTrainingData = (images: ImageSet | TrainingData): TrainingData =>
  "read" in images ? images : imageSetData(images);

/** Images in memory, as floats in [-1, 1]. */
export function imageSetData(images: ImageSet): TrainingData {
  const { count, channels, height, width, labels } = images;
  const area = channels * height * width;
  const indices = shuffledIndices(count);
  return {
    name: "training images",
    count,
    shape: [channels, height, width],
    classes: labels.reduce((most, label) => Math.max(most, label + 1), 0),
    async read(seed, position, size, streams) {
      const chosen = indices(seed, position, size, streams);
      const values = new Float32Array(size * area);
      for (const [n, i] of chosen.entries())
        writePlanes(values, n * area, images.images.subarray(i * area, (i + 1) * area), channels);
      return { values, labels: chosen.map((i) => labels[i]), indices: chosen };
    },
    fingerprint: async () => imageSetFingerprint(images),
    async close() {},
  };
}

/** Latents `(mean + std noise) scale` of examples that hold first means, then standard deviations. */
export function drawLatents(
  moments: Float32Array,
  random: RandomGenerator,
  count: number,
  scale: number,
): Float32Array {
  const size = moments.length / count / 2;
  const noise = random.normals(count * size);
  return noise.map((draw, i) => {
    const mean = i + Math.floor(i / size) * size;
    return (moments[mean] + moments[mean + size] * draw) * scale;
  });
}
