/** Improved precision and recall (Kynkaanniemi et al. 2019). */
import { type Gemm, gemm } from "../jit/targets/onnxruntime/gemm.ts";
import { checkFeatures, checkSameSize, type Features } from "./features.ts";

export interface PrecisionRecall {
  /** Share of the samples within the reference's manifold, 0 to 1. */
  precision: number;
  /** Share of the reference within the samples' manifold, 0 to 1. */
  recall: number;
}

/** Rows of each set compared at a time: their products are compiled, and take 8 MB. */
const BLOCK = 1024;

/**
 * The manifold of a set is the union of balls around its points, each reaching to the point's k-th nearest neighbour
 * in the set (equation 1); a point on a ball's surface is inside. Distances are Euclidean, in double precision. They are
 * taken from products of blocks of rows, so that memory does not grow with the product of the counts, and where these
 * are too close to call, from the differences themselves: the result is that of the definition.
 * @param options.k neighbours, 3 by default as in the paper
 * @throws when the sizes differ, a set has no more than k rows or holds NaN or infinite values, or k is not a
 * positive integer.
 */
export async function precisionRecall(
  reference: Features,
  samples: Features,
  options: { k?: number } = {},
): Promise<PrecisionRecall> {
  const { k = 3 } = options;
  if (!Number.isInteger(k) || k < 1) throw new Error(`k must be a positive integer, got ${k}`);
  checkFeatures(reference, "reference features", k + 1);
  checkFeatures(samples, "sample features", k + 1);
  checkSameSize(reference, "reference features", samples, "sample features");
  const block = Math.min(BLOCK, Math.max(reference.count, samples.count));
  const products = await gemm({ m: block, n: block, k: reference.size, transposeB: true });
  try {
    const [real, made] = [pointsOf(reference, block), pointsOf(samples, block)];
    const [realRadii, madeRadii] = [
      await squaredRadii(real, k, products),
      await squaredRadii(made, k, products),
    ];
    return {
      precision: await shareWithin(made, real, realRadii, products),
      recall: await shareWithin(real, made, madeRadii, products),
    };
  } finally {
    products.dispose();
  }
}

/** A set in blocks of rows. */
interface Points extends Features {
  block: number;
  /** Squared lengths. */
  lengths: Float64Array;
}

function pointsOf(features: Features, block: number): Points {
  const { data, count, size } = features;
  const lengths = new Float64Array(count);
  for (let row = 0, i = 0; row < count; row++)
    for (let d = 0; d < size; d++, i++) lengths[row] += data[i] * data[i];
  return { ...features, block, lengths };
}

/** Rows from `start` on in double precision; of the last block some are left from before, and mean nothing. */
function readBlock({ data, count, size, block }: Points, start: number, into: Float64Array): number {
  const end = Math.min(start + block, count);
  into.set(data.subarray(start * size, end * size));
  return end;
}

/** Squared distance from the differences: expanding the square would lose small ones, and that a point equals its copy. */
function squaredDistance(a: Features, i: number, b: Features, j: number): number {
  const { size } = a;
  let sum = 0;
  for (let d = 0; d < size; d++) {
    const difference = a.data[i * size + d] - b.data[j * size + d];
    sum += difference * difference;
  }
  return sum;
}

/** Calls `visit` for blocks of a and b with the products of their rows, `[(i - i0) * block + j - j0]`. */
async function forBlocks(
  a: Points,
  b: Points,
  products: Gemm,
  visit: (out: Float64Array, i0: number, i1: number, j0: number, j1: number) => void,
  needs: (i0: number, i1: number, j0: number) => boolean,
): Promise<void> {
  const { block, size } = a;
  const [left, right] = [new Float64Array(block * size), new Float64Array(block * size)];
  const out = new Float64Array(block * block);
  for (let i0 = 0; i0 < a.count; i0 += block) {
    const i1 = readBlock(a, i0, left);
    for (let j0 = 0; j0 < b.count; j0 += block) {
      if (!needs(i0, i1, j0)) continue;
      const j1 = readBlock(b, j0, right);
      await products.run(left, right, out);
      visit(out, i0, i1, j0, j1);
    }
  }
}

/** Neighbours beyond the k-th that are kept: rounding may have put one of them behind it. */
const SPARE = 4;

/** Squared distance of each row to its k-th nearest other row. */
async function squaredRadii(points: Points, k: number, products: Gemm): Promise<Float64Array> {
  const { count, block, lengths } = points;
  const kept = k + SPARE;
  // The smallest so far of every row, ascending, and whose they are.
  const nearest = new Float64Array(count * kept).fill(Number.POSITIVE_INFINITY);
  const indices = new Int32Array(count * kept).fill(-1);
  const insert = (row: number, other: number, distance: number): void => {
    const start = row * kept;
    let at = start + kept - 1;
    if (distance >= nearest[at]) return;
    for (; at > start && nearest[at - 1] > distance; at--) {
      nearest[at] = nearest[at - 1];
      indices[at] = indices[at - 1];
    }
    nearest[at] = distance;
    indices[at] = other;
  };
  // Each pair once: the distance counts for both.
  await forBlocks(
    points,
    points,
    products,
    (out, i0, i1, j0, j1) => {
      for (let i = i0; i < i1; i++)
        for (let j = Math.max(j0, i + 1); j < j1; j++) {
          const distance = lengths[i] + lengths[j] - 2 * out[(i - i0) * block + j - j0];
          insert(i, j, distance);
          insert(j, i, distance);
        }
    },
    (i0, _, j0) => j0 >= i0,
  );
  return Float64Array.from({ length: count }, (_, row) => {
    const found = [...indices.subarray(row * kept, (row + 1) * kept)].filter((other) => other >= 0);
    return found.map((other) => squaredDistance(points, row, points, other)).sort((a, b) => a - b)[k - 1];
  });
}

/** Share of the rows that lie in at least one ball around a row of `manifold`. */
async function shareWithin(
  points: Points,
  manifold: Points,
  radii: Float64Array,
  products: Gemm,
): Promise<number> {
  const { count, size, block, lengths } = points;
  const found = new Uint8Array(count);
  // What the sums of a product may be wrong by, as a share of both squared lengths.
  const rounding = 4 * size * Number.EPSILON;
  await forBlocks(
    points,
    manifold,
    products,
    (out, i0, i1, j0, j1) => {
      for (let i = i0; i < i1; i++)
        for (let j = j0; j < j1 && found[i] === 0; j++) {
          const both = lengths[i] + manifold.lengths[j];
          const beyond = both - 2 * out[(i - i0) * block + j - j0] - radii[j];
          const slack = rounding * both;
          if (beyond < -slack || (beyond <= slack && squaredDistance(points, i, manifold, j) <= radii[j]))
            found[i] = 1;
        }
    },
    (i0, i1) => found.subarray(i0, i1).includes(0),
  );
  return found.reduce((sum, one) => sum + one, 0) / count;
}
