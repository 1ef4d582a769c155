/** How alike what blocks know is: centred kernel alignment (Kornblith et al. 2019, arXiv 1905.00414). */
import { jit } from "../jit/index.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import type { BlockFeatures } from "./features.ts";

/** Similarities between images [blocks, count^2], of features [blocks, count, width] whose mean is taken off. */
function similarities(features: Tensor): Tensor {
  const centred = tf.sub(features, tf.mean(features, 1, true));
  // At a scale of 1 nothing overflows, and CKA does not know of it.
  const scaled = tf.div(centred, tf.sqrt(tf.add(tf.mean(tf.square(centred), [1, 2], true), 1e-30)));
  const [blocks, count] = features.shape;
  return tf.reshape(tf.matMul(scaled, scaled, false, true), [blocks, count * count]);
}

/** <K, L> / (|K| |L|) of every two matrices of similarities. */
function alignments(a: Tensor, b: Tensor): Tensor {
  const [k, l] = [similarities(a), similarities(b)].map((x) => tf.div(x, tf.norm(x, 2, 1, true)));
  return tf.matMul(k, l, false, true);
}

/**
 * Linear CKA between every block of one set of features and every block of another, of the same images: [blocks of a][blocks
 * of b], from 0 (nothing in common) to 1 (the same but for rotation and scale). It is high by itself where the images are
 * not several times as many as features.
 * @throws where the two are of other numbers of images
 */
export async function linearCKA(a: BlockFeatures, b: BlockFeatures): Promise<number[][]> {
  if (a.count !== b.count)
    throw new RangeError(`CKA compares features of the same images, got ${a.count} and ${b.count}`);
  const [x, y] = [a, b].map(({ data, blocks, count, width }) => tf.tensor(data, [blocks, count, width]));
  const compare = jit(alignments, { name: "cka" });
  try {
    const result = await compare(x, y);
    const values = await result.data();
    result.dispose();
    return Array.from({ length: a.blocks }, (_, i) => [...values.subarray(i * b.blocks, (i + 1) * b.blocks)]);
  } finally {
    tf.dispose([x, y]);
    await compare.dispose();
  }
}
