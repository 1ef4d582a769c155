/** What networks are shown when they are looked into: images in their order, noise and latents of streams of their own. */
import type { ImageSet } from "../data/datasets.ts";
import { drawLatents, type TrainingData } from "../data/examples.ts";
import { imageSetFingerprint } from "../data/identity.ts";
import { writePlanes } from "../data/tensors.ts";
import { randomStream } from "../tensor/random.ts";

/** Images in memory, in their order; or training data, in the order into which its first epoch is shuffled by the seed. */
export type ProbedSet = ImageSet | TrainingData;

/** Some images as a network takes them, one behind the other, and their classes. */
export interface ShownImages {
  values: Float32Array;
  labels: readonly number[];
}

export interface ImageReader {
  readonly count: number;
  readonly shape: readonly [channels: number, height: number, width: number];
  /** Images `from` to `from + count - 1`; latents are drawn, each by the stream of its number. */
  read(seed: number, from: number, count: number): Promise<ShownImages>;
  /** What tells these images from any other; nothing where the data cannot say. */
  fingerprint(): Promise<string | undefined>;
}

export function imageReader(set: ProbedSet): ImageReader {
  if (!("read" in set)) return ofImageSet(set);
  const { count, shape, scale } = set;
  return {
    ...{ count, shape },
    async read(seed, from, size) {
      const { values, labels } = await set.read(seed, from, size);
      if (scale === undefined) return { values, labels };
      const each = values.length / size;
      const latents = new Float32Array(values.length / 2);
      for (let i = 0; i < size; i++) {
        const moments = values.subarray(i * each, (i + 1) * each);
        const stream = randomStream(seed, "probe latent", from + i);
        latents.set(drawLatents(moments, stream, 1, scale), (i * each) / 2);
      }
      return { values: latents, labels };
    },
    fingerprint: async () => set.fingerprint?.(),
  };
}

function ofImageSet(set: ImageSet): ImageReader {
  const { images, labels, count, height, width, channels } = set;
  const area = channels * height * width;
  return {
    count,
    shape: [channels, height, width],
    async read(_, from, size) {
      const values = new Float32Array(size * area);
      for (let i = 0; i < size; i++) {
        const at = (from + i) * area;
        writePlanes(values, i * area, images.subarray(at, at + area), channels);
      }
      return { values, labels: [...labels.subarray(from, from + size)] };
    },
    fingerprint: async () => imageSetFingerprint(set),
  };
}
