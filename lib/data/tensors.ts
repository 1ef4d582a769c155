/** Stored images as model inputs. */
import { type Tensor4D, tf } from "../tensor/tf.ts";
import type { ImageSet } from "./datasets.ts";
import type { Pixels } from "./pillow-resize.ts";

/** Images `indices` of a set as floats in [-1, 1], NCHW. */
export function imageTensor(images: ImageSet, indices: ArrayLike<number>): Tensor4D {
  const { height, width, channels } = images;
  const values = new Float32Array(indices.length * channels * height * width);
  const area = height * width * channels;
  for (let n = 0; n < indices.length; n++) {
    const from = indices[n] * area;
    writePlanes(values, n * area, images.images.subarray(from, from + area), channels);
  }
  return tf.tensor4d(values, [indices.length, channels, height, width]);
}

/** Images of one size as floats in [-1, 1], [B,3,H,W]. */
export function pixelTensor(images: readonly Pixels[]): Tensor4D {
  const { width, height } = images[0];
  const area = 3 * width * height;
  const values = new Float32Array(images.length * area);
  for (const [n, { data }] of images.entries()) writePlanes(values, n * area, data, 3);
  return tf.tensor4d(values, [images.length, 3, height, width]);
}

/** HWC bytes as CHW floats in [-1, 1]. */
export function writePlanes(
  values: Float32Array,
  position: number,
  pixels: Uint8Array,
  channels: number,
): void {
  const area = pixels.length / channels;
  for (let c = 0; c < channels; c++)
    for (let i = 0; i < area; i++) values[position + c * area + i] = pixels[i * channels + c] / 127.5 - 1;
}
