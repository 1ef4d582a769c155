/** Features by block and image, wherever they lie: in memory, or in files that do not fit into it. */
import type { BlockFeatures } from "./features.ts";

export interface FeatureRows {
  /** How many blocks there are. */
  readonly blocks: number;
  /** Images. */
  readonly count: number;
  /** Numbers of an image after one block. */
  readonly width: number;
  /** Writes the features of some images after a block, counted from 0 of those that there are, one behind the other. */
  read(block: number, images: ArrayLike<number>, into: Float32Array): Promise<void>;
}

/** Features in memory, read like those in files. */
export function rowsOf(features: BlockFeatures | FeatureRows): FeatureRows {
  if ("read" in features) return features;
  const { data, blocks, count, width } = features;
  return {
    ...{ blocks, count, width },
    async read(block, images, into) {
      for (let i = 0; i < images.length; i++) {
        const from = (block * count + images[i]) * width;
        into.set(data.subarray(from, from + width), i * width);
      }
    },
  };
}

/** Rows of several blocks [blocks, images, width]. */
export async function gatherRows(
  rows: FeatureRows,
  blocks: readonly number[],
  images: ArrayLike<number>,
): Promise<Float32Array> {
  const size = images.length * rows.width;
  const values = new Float32Array(blocks.length * size);
  for (const [i, block] of blocks.entries())
    await rows.read(block, images, values.subarray(i * size, (i + 1) * size));
  return values;
}

/** Images read at a time where all of them are gone through. */
const CHUNK = 4096;

/** All images of some rows in their order, in pieces: their numbers. */
export function* chunks(count: number, size = CHUNK): Generator<Int32Array> {
  for (let start = 0; start < count; start += size)
    yield Int32Array.from({ length: Math.min(size, count - start) }, (_, i) => start + i);
}

/** Mean and variance of every feature over all images, [blocks, width] each, summed in float64. */
export async function momentsOf(
  rows: FeatureRows,
  blocks: readonly number[],
): Promise<{ mean: Float32Array; variance: Float32Array }> {
  const { width, count } = rows;
  const size = blocks.length * width;
  const [sums, squares] = [new Float64Array(size), new Float64Array(size)];
  // From the first image on, so that features far from 0 do not cancel out.
  const origin = await gatherRows(rows, blocks, [0]);
  for (const images of chunks(count)) {
    const values = await gatherRows(rows, blocks, images);
    for (let b = 0, at = 0; b < blocks.length; b++)
      for (let i = 0; i < images.length; i++)
        for (let j = b * width; j < (b + 1) * width; j++, at++) {
          const value = values[at] - origin[j];
          sums[j] += value;
          squares[j] += value * value;
        }
  }
  return {
    mean: Float32Array.from(sums, (sum, j) => origin[j] + sum / count),
    variance: Float32Array.from(squares, (square, j) => Math.max(0, square / count - (sums[j] / count) ** 2)),
  };
}
