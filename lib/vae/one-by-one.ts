import { type Tensor, type Tensor4D, tf } from "../tensor/tf.ts";

/**
 * The values of a function for each element of a batch, one after the other: a VAE's largest layers take hundreds of
 * megabytes, and no batch changes a result.
 */
export async function oneByOne(
  batch: Tensor4D,
  compute: (element: Tensor) => Promise<Tensor>,
): Promise<Float32Array> {
  let all = new Float32Array();
  const count = batch.shape[0];
  const elements = tf.split(batch, count);
  try {
    for (const [i, element] of elements.entries()) {
      const result = await compute(element);
      const values = (await result.data()) as Float32Array;
      if (i === 0) all = new Float32Array(count * values.length);
      all.set(values, i * values.length);
      result.dispose();
    }
  } finally {
    tf.dispose(elements);
  }
  return all;
}
