/** Stored images as model inputs. */
import { type Tensor4D, tf } from "../tensor/tf.ts";
import type { ImageSet } from "./datasets.ts";

/** Images `indices` of a set as floats in [-1, 1], NCHW. */
export function imageTensor(images: ImageSet, indices: ArrayLike<number>): Tensor4D {
  const { height, width, channels } = images;
  const area = height * width;
  const values = new Float32Array(indices.length * channels * area);
  for (let n = 0; n < indices.length; n++) {
    const from = indices[n] * area * channels;
    for (let c = 0; c < channels; c++) {
      const to = (n * channels + c) * area;
      for (let i = 0; i < area; i++) values[to + i] = images.images[from + i * channels + c] / 127.5 - 1;
    }
  }
  return tf.tensor4d(values, [indices.length, channels, height, width]);
}
