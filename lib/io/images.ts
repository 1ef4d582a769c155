/** Images as pixels: PNG grids for people, .npz batches for evaluators. */

import type { Tensor } from "../tensor/tf.ts";
import { writeAtomic } from "./files.ts";
import type { NdArray } from "./ndarray.ts";
import { readNpz, writeNpz } from "./npz.ts";
import { loadSharp } from "./sharp.ts";

/** Pixels `[count, height, width, channels]` (NHWC), 0 to 255. */
export type Images = NdArray<"uint8">;

/** Float32 values in -1 .. 1 as 0 .. 255, which are clamped and truncated then. */
const LEVELS = {
  nearest: (x: number): number => Math.fround(Math.fround(127.5 * x) + 128),
  down: (x: number): number => Math.fround(Math.fround(Math.fround(x + 1) / 2) * 255),
} as const;

/**
 * Model outputs as pixels, in float32 arithmetic, truncated.
 * @param data values in [-1, 1], beyond that clamped
 * @param shape `[count, channels, height, width]` (NCHW)
 * @param rounding `nearest`: `clamp(127.5 x + 128, 0, 255)`, as the samplers of ADM, DiT and SiT do; `down`:
 * `clamp(255 (x + 1) / 2, 0, 255)`, half a level darker on average, as those of REPA and SRA do with what the VAE decodes
 * @returns NHWC
 * @throws when the shape does not fit, and naming the image that holds NaN.
 */
export function toUint8Images(
  data: Float32Array,
  shape: readonly number[],
  rounding: keyof typeof LEVELS = "nearest",
): Images {
  const [count, channels, height, width] = shape;
  const area = height * width;
  if (shape.length !== 4 || count * channels * area !== data.length) {
    throw new Error(`Expected images of shape NCHW, got [${shape.join(", ")}] for ${data.length} values`);
  }
  const level = LEVELS[rounding];
  const pixels = new Uint8Array(data.length);
  for (let n = 0; n < count; n++) {
    for (let c = 0; c < channels; c++) {
      const from = (n * channels + c) * area;
      const to = n * area * channels + c;
      for (let i = 0; i < area; i++) {
        const value = level(data[from + i]);
        if (Number.isNaN(value)) throw new Error(`Image ${n} holds NaN and cannot become pixels`);
        pixels[to + i * channels] = Math.min(Math.max(value, 0), 255);
      }
    }
  }
  return { shape: [count, height, width, channels], dtype: "uint8", data: pixels };
}

export interface GridOptions {
  /** Images in a row; the smallest square grid by default. */
  columns?: number;
  /** Pixels of the file per pixel of an image, in both directions; a positive integer, 1 by default. */
  scale?: number;
  /** White pixels between images, not scaled; 2 by default. */
  gap?: number;
}

/**
 * Writes images as one PNG, row by row.
 * @param images NHWC with 1 (grey) or 3 (RGB) channels, at least one image
 * @throws when the shape or an option is not as said.
 */
export async function writePngGrid(path: string, images: Images, options: GridOptions = {}): Promise<void> {
  await writeAtomic(path, await pngGrid(images, options, `Cannot write ${path}`));
}

/** A tensor's numbers: at once, or those of a GPU when they come. */
function numbersOf(tensor: Tensor): Float32Array | Promise<Float32Array> {
  try {
    return tensor.dataSync() as Float32Array;
  } catch {
    return tensor.data() as Promise<Float32Array>;
  }
}

/**
 * A grid of images as a value that notebooks show.
 * @param images NHWC pixels, or floats NCHW in -1 .. 1 (a tensor, or what `generate` returns)
 */
export function imageGrid(
  images: Images | Tensor | NdArray<"float32">,
  options: GridOptions = {},
): Record<symbol, () => Promise<Record<string, string>>> {
  // Taken now: the tensor may be gone when it is shown.
  const values = "dataSync" in images ? numbersOf(images) : images.data;
  const pixelsOf = (values: Float32Array): Images => toUint8Images(values, images.shape);
  const pixels =
    images.dtype === "uint8"
      ? (images as Images)
      : values instanceof Promise
        ? values.then(pixelsOf)
        : pixelsOf(values as Float32Array);
  // Whoever shows it is told.
  if (pixels instanceof Promise) pixels.catch(() => {});
  return {
    async [Symbol.for("Jupyter.display")]() {
      const shown = await pixels;
      const png = await pngGrid(shown, options, "Cannot show images");
      const [count, height, width] = shown.shape;
      return {
        "image/png": png.toString("base64"),
        "text/plain": `${count} images of ${width} x ${height} pixels`,
      };
    },
  };
}

/**
 * Images as one PNG, row by row.
 * @param images NHWC with 1 (grey) or 3 (RGB) channels, at least one image
 * @param what begins the error where the shape or an option is not as said
 */
export async function pngGrid(
  images: Images,
  options: GridOptions = {},
  what = "Cannot make a picture",
): Promise<Buffer> {
  const [count, height, width, channels] = checkImages(images, what);
  if (count === 0) throw new Error(`${what}: there are no images`);
  const { columns = Math.ceil(Math.sqrt(count)), scale = 1, gap = 2 } = options;
  checkInteger("columns", columns, 1);
  checkInteger("scale", scale, 1);
  checkInteger("gap", gap, 0);

  const across = Math.min(columns, count);
  const down = Math.ceil(count / columns);
  const gridWidth = across * (width * scale + gap) - gap;
  const gridHeight = down * (height * scale + gap) - gap;
  const grid = new Uint8Array(gridWidth * gridHeight * channels).fill(255);
  for (let n = 0; n < count; n++) {
    const top = Math.floor(n / columns) * (height * scale + gap);
    const left = (n % columns) * (width * scale + gap);
    for (let y = 0; y < height * scale; y++) {
      const row = (n * height + Math.floor(y / scale)) * width;
      for (let x = 0; x < width * scale; x++) {
        const from = (row + Math.floor(x / scale)) * channels;
        const to = ((top + y) * gridWidth + left + x) * channels;
        for (let c = 0; c < channels; c++) grid[to + c] = images.data[from + c];
      }
    }
  }
  const raw = { width: gridWidth, height: gridHeight, channels: channels as 1 | 3 };
  const sharp = await loadSharp();
  const pipeline = sharp(grid, { raw });
  // Without this a one-channel input is written with three.
  return (channels === 1 ? pipeline.toColourspace("b-w") : pipeline).png().toBuffer();
}

/** Images with three channels [count, height, width, 3]; grey ones are repeated. */
export function threeChannels(images: Images): Images {
  const [count, height, width, channels] = checkImages(images, "Cannot make three channels");
  const data =
    channels === 3
      ? images.data
      : Uint8Array.from({ length: images.data.length * 3 }, (_, i) => images.data[Math.floor(i / 3)]);
  return { shape: [count, height, width, 3], dtype: "uint8", data };
}

/**
 * Writes samples as ADM's evaluator reads them: an .npz with the key `arr_0`, uint8 NHWC with three channels.
 * @param images NHWC; grey images are repeated to three channels
 */
export async function writeSamplesNpz(path: string, images: Images): Promise<void> {
  checkImages(images, `Cannot write ${path}`);
  await writeNpz(path, { arr_0: threeChannels(images) });
}

/**
 * Reads samples or a reference batch in ADM's format (key `arr_0`).
 * @returns NHWC with three channels
 * @throws naming the file when it is not in that format.
 */
export async function readSamplesNpz(path: string): Promise<Images> {
  const { arr_0: images } = await readNpz(path, { keys: ["arr_0"] });
  const { dtype, shape } = images;
  if (images.dtype !== "uint8" || shape.length !== 4 || shape[3] !== 3) {
    throw new Error(
      `Array "arr_0" of ${path} must be uint8 of shape [count, height, width, 3], got ${dtype} [${shape.join(", ")}]`,
    );
  }
  return images;
}

function checkImages(images: Images, context: string): number[] {
  const { shape, data } = images;
  const [count, height, width, channels] = shape;
  const fits = shape.length === 4 && count * height * width * channels === data.length;
  if (!fits || (channels !== 1 && channels !== 3)) {
    throw new Error(
      `${context}: expected images [count, height, width, 1 or 3], got [${shape.join(", ")}] for ${data.length} values`,
    );
  }
  return shape;
}

function checkInteger(name: string, value: number, minimum: number): void {
  if (!Number.isInteger(value) || value < minimum) {
    throw new Error(`${name} must be an integer of at least ${minimum}, got ${value}`);
  }
}
