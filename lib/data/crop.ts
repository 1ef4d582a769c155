/** Encoded images as the square pixels that models train on. */
import { loadSharp } from "../io/sharp.ts";
import { type Pixels, pillowResize } from "./pillow-resize.ts";

/** @throws naming the option when it is not a positive integer. */
export function checkPositive(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1)
    throw new RangeError(`${name} must be an integer of at least 1, got ${value}`);
}

/** Python's `round`: halves go to the even neighbour. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/**
 * ADM's center crop, as DiT, SiT and their followers prepare ImageNet: halved with a box filter while the shorter side
 * is at least twice `size`, then scaled bicubically so that it is `size`, then cut from the middle.
 * @param size side of the result in pixels, a positive integer
 * @returns `size` x `size` pixels, equal to Pillow's bit by bit
 */
export function centerCrop(image: Pixels, size: number): Pixels {
  checkPositive("size", size);
  let scaled = image;
  while (Math.min(scaled.width, scaled.height) >= 2 * size) {
    scaled = pillowResize(scaled, Math.floor(scaled.width / 2), Math.floor(scaled.height / 2), "box");
  }
  const scale = size / Math.min(scaled.width, scaled.height);
  const [width, height] = [roundHalfEven(scaled.width * scale), roundHalfEven(scaled.height * scale)];
  const [left, top] = [Math.floor((width - size) / 2), Math.floor((height - size) / 2)];
  return pillowResize(scaled, width, height, "bicubic", { left, top, width: size, height: size });
}

/**
 * Decodes a JPEG, PNG or WebP file (or whatever else sharp reads) to RGB as Pillow's `convert("RGB")` does: rotation
 * tags and color profiles are ignored, grey is repeated, transparency is dropped.
 * @returns three channels, 0 to 255
 * @throws when the bytes are no image, or are damaged or cut short.
 */
export async function decodeImage(bytes: Uint8Array): Promise<Pixels> {
  const sharp = await loadSharp();
  // Images with harmless faults, such as stray bytes between markers, decode in Pillow too.
  const pipeline = sharp(bytes, { failOn: "error", ignoreIcc: true, autoOrient: false });
  if ((await pipeline.metadata()).space === "cmyk") return decodeCmyk(bytes);
  const { data, info } = await pipeline
    .removeAlpha()
    .toColourspace("srgb")
    .raw()
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 3) throw new Error(`it has ${info.channels} channels after decoding, expected 3`);
  return { data: plain(data), width: info.width, height: info.height };
}

/** Pillow turns inks into light without a color profile; libvips would use one. */
async function decodeCmyk(bytes: Uint8Array): Promise<Pixels> {
  const sharp = await loadSharp();
  const { data, info } = await sharp(bytes, { failOn: "error", ignoreIcc: true, autoOrient: false })
    .pipelineColourspace("cmyk")
    .toColourspace("cmyk")
    .raw()
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 4) throw new Error(`it has ${info.channels} channels after decoding, expected 4`);
  const area = info.width * info.height;
  const rgb = new Uint8ClampedArray(area * 3);
  for (let i = 0; i < area; i++) {
    const light = 255 - data[i * 4 + 3];
    for (let c = 0; c < 3; c++) {
      const product = data[i * 4 + c] * light + 128;
      rgb[i * 3 + c] = light - ((product + (product >> 8)) >> 8);
    }
  }
  return { data: new Uint8Array(rgb.buffer), width: info.width, height: info.height };
}

/** A PNG file of RGB pixels. */
export async function encodePng({ data, width, height }: Pixels): Promise<Uint8Array> {
  const sharp = await loadSharp();
  return sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

export interface CropTask {
  /** An encoded image. */
  bytes: Uint8Array;
  /** Side of the result in pixels. */
  size: number;
}

/** The cropped image as PNG, or why there is none. */
export type CropResult = { png: Uint8Array } | { error: string };

/** Everything between reading a file and writing one, for a worker thread (`crop-worker.js`). */
export async function cropToPng({ bytes, size }: CropTask): Promise<CropResult> {
  try {
    return { png: await encodePng(centerCrop(await decodeImage(bytes), size)) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

const plain = (buffer: Buffer): Uint8Array =>
  new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
