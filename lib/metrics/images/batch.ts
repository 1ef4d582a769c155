/** Sets of images that are read in pieces, and what a piece of one is. */
import type { Pixels } from "../../data/index.ts";
import type { Communicator } from "../../distributed/communicator.ts";
import type { GaussianStatistics } from "../stats.ts";

/** Images of one size. */
export interface ImageBatch {
  count: number;
  width: number;
  height: number;
  /** All that the images depend on: batches of the same content are the same images. */
  content: readonly Uint8Array[];
  /** Of latents this is what takes the time. */
  pixels(): Promise<readonly Pixels[]>;
}

/** Of batches in order those with the numbers `rank`, `rank + size` and so on. */
export type BatchShare = Pick<Communicator, "rank" | "size">;

/** Of all of them. */
export const WHOLE: BatchShare = { rank: 0, size: 1 };

export interface ImageFiles {
  /** Images. */
  count: number;
  /** The images in order, `size` at a time, the last time fewer; or a share of these batches. */
  batches(size: number, share?: BatchShare): AsyncGenerator<ImageBatch>;
  /** Of a reference batch: the statistics that were published with it, of pooled and of spatial features. */
  statistics: { pool?: GaussianStatistics; spatial?: GaussianStatistics };
  close(): Promise<void>;
}

/** @throws where there are none, or their sizes differ. */
export function pixelBatch(images: readonly Pixels[]): ImageBatch {
  if (images.length === 0) throw new Error("there are no images to take features of");
  const [{ width, height }] = images;
  const other = images.findIndex((image) => image.width !== width || image.height !== height);
  if (other >= 0)
    throw new Error(
      `images must have one size: the first is ${width} x ${height}, number ${other} ${images[other].width} x ${images[other].height}`,
    );
  return {
    count: images.length,
    width,
    height,
    content: images.map(({ data }) => data),
    pixels: async () => images,
  };
}

/** The next of some batches. @throws where there are fewer than were counted */
export async function nextBatch(batches: AsyncGenerator<ImageBatch>): Promise<ImageBatch> {
  const { value, done } = await batches.next();
  if (done) throw new Error("there are fewer images than were counted");
  return value;
}

/** The size of all images, which the first one tells. */
export async function imageSize(files: ImageFiles): Promise<{ width: number; height: number }> {
  for await (const { width, height } of files.batches(1)) return { width, height };
  throw new Error("there are no images");
}

/**
 * A share of items that need not fill memory, `size` at a time, with the number of the first: the next ones are read when they
 * are asked for.
 */
export async function* inPieces<T, U>(
  items: AsyncIterable<T>,
  size: number,
  make: (items: T[], first: number) => U,
  share: BatchShare = WHOLE,
): AsyncGenerator<U> {
  let piece: T[] = [];
  let done = 0;
  for await (const item of items) {
    if (Math.floor(done / size) % share.size === share.rank) piece.push(item);
    done += 1;
    if (piece.length < size) continue;
    yield make(piece, done - size);
    piece = [];
  }
  if (piece.length > 0) yield make(piece, done - piece.length);
}
