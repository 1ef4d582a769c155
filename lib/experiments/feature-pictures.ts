/** What blocks know at noise levels, as pictures: the colours are the principal components of tokens. */
import { levelAt } from "../diffusion/levels.ts";
import type { ProcessConfig } from "../diffusion/process.ts";
import { type NdArray, ndarray, toUint8Images, writePngGrid } from "../io/index.ts";
import type { Network } from "../models/network.ts";
import { blocksOf } from "../probe/extract.ts";
import { imageReader } from "../probe/images.ts";
import { blockTokenExtractor, type ProbedSet, pcaColors, type TokenFeatures } from "../probe/index.ts";
import type { Params } from "../tensor/params.ts";

export interface FeaturePicturesOptions {
  /** The first of these are shown, clean, beside what blocks make of them; latents, which are no pictures, are not. */
  images: ProbedSet;
  count: number;
  /** Counted from 1. Default: every block. */
  blocks?: readonly number[];
  /** Noise levels from 0 (data) to 1 (noise); of a DiT shares of its steps. */
  times: readonly number[];
  /** Of noise and latents. */
  seed: number;
  signal?: AbortSignal;
}

/** At one noise level a row for each image and a column for each block. */
export interface FeaturePicture {
  time: number;
  /** Row by row, [rows x columns, height, width, 3]. */
  images: NdArray<"uint8">;
  columns: number;
}

/** Images [count, height, width, 3] of any with 1 or 3 channels; nothing of others. */
async function shownImages(images: ProbedSet, seed: number, count: number): Promise<Uint8Array | undefined> {
  const reader = imageReader(images);
  const [channels, height, width] = reader.shape;
  if (channels !== 1 && channels !== 3) return undefined;
  const { values } = await reader.read(seed, 0, count);
  const { data } = toUint8Images(values, [count, channels, height, width]);
  return channels === 3
    ? data
    : Uint8Array.from({ length: 3 * data.length }, (_, i) => data[Math.floor(i / 3)]);
}

/** A block's colours, each token as large as its patch: [count, height, width, 3]. */
function coloured(tokens: TokenFeatures, height: number, width: number): Uint8Array {
  const { data, shape } = pcaColors(tokens);
  const [count, side] = shape;
  const pixels = new Uint8Array(count * height * width * 3);
  let at = 0;
  for (let i = 0; i < count; i++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const token = (i * side + Math.floor((y * side) / height)) * side + Math.floor((x * side) / width);
        for (let c = 0; c < 3; c++) pixels[at++] = Math.round(255 * data[3 * token + c]);
      }
  return pixels;
}

/**
 * Features by block and noise as pictures. In each column the components, and so the colours, are of all its images
 * together: equal colours are equal features. Columns have nothing in common.
 * @throws where there are not so many images, where they do not fit the network, or tokens are no square
 */
export async function featurePictures(
  network: Network,
  process: ProcessConfig,
  params: Params,
  options: FeaturePicturesOptions,
): Promise<FeaturePicture[]> {
  const { images, count, times, seed, signal } = options;
  const levels = times.map((time) => ({ time, level: levelAt(process, time) }));
  const blocks = blocksOf(network, options.blocks);
  const [, height, width] = network.input;
  const extractor = blockTokenExtractor(network, process, blocks);
  try {
    const clean = await shownImages(images, seed, count);
    const pictures: FeaturePicture[] = [];
    for (const { time, level } of levels) {
      const tokens = await extractor.extract(params, images, { ...level, count, seed, signal });
      const columns = [...(clean ? [clean] : []), ...tokens.map((of) => coloured(of, height, width))];
      const area = height * width * 3;
      const pixels = new Uint8Array(count * columns.length * area);
      for (let row = 0; row < count; row++)
        for (const [c, column] of columns.entries())
          pixels.set(column.subarray(row * area, (row + 1) * area), (row * columns.length + c) * area);
      const all = ndarray(pixels, [count * columns.length, height, width, 3]);
      pictures.push({ time, images: all, columns: columns.length });
    }
    return pictures;
  } finally {
    await extractor.dispose();
  }
}

/** Writes a picture as a PNG of about a thousand pixels, or as many as it has. */
export async function writeFeaturePicture(path: string, { images, columns }: FeaturePicture): Promise<void> {
  const scale = Math.max(1, Math.round(1000 / (columns * images.shape[2])));
  await writePngGrid(path, images, { columns, scale });
}
