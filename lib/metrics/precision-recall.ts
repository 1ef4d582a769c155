/** Improved precision and recall (Kynkaanniemi et al. 2019). */

import { checkFeatures, checkSameSize, type Features } from "./features.ts";

export interface PrecisionRecall {
  /** Share of the samples within the reference's manifold, 0 to 1. */
  precision: number;
  /** Share of the reference within the samples' manifold, 0 to 1. */
  recall: number;
}

/** Rows of each set compared at a time: few enough to stay in the processor's cache at 2048 features. */
const tile = 32;

/**
 * The manifold of a set is the union of balls around its points, each reaching to the point's k-th nearest neighbour
 * in the set (equation 1); a point on a ball's surface is inside. Distances are Euclidean, in double precision,
 * computed tile by tile, so that memory does not grow with the product of the counts.
 * @param options.k neighbours, 3 by default as in the paper
 * @throws when the sizes differ, a set has no more than k rows or holds NaN or infinite values, or k is not a
 * positive integer.
 */
export function precisionRecall(
  reference: Features,
  samples: Features,
  options: { k?: number } = {},
): PrecisionRecall {
  const { k = 3 } = options;
  if (!Number.isInteger(k) || k < 1) throw new Error(`k must be a positive integer, got ${k}`);
  checkFeatures(reference, "reference features", k + 1);
  checkFeatures(samples, "sample features", k + 1);
  checkSameSize(reference, "reference features", samples, "sample features");
  return {
    precision: shareWithin(samples, reference, squaredRadii(reference, k)),
    recall: shareWithin(reference, samples, squaredRadii(samples, k)),
  };
}

/** Squared distance of each row to its k-th nearest other row. */
function squaredRadii(points: Features, k: number): Float64Array {
  const { count } = points;
  // The k smallest so far of every row, ascending.
  const nearest = new Float64Array(count * k).fill(Number.POSITIVE_INFINITY);
  const insert = (row: number, distance: number): void => {
    const start = row * k;
    let at = start + k - 1;
    if (distance >= nearest[at]) return;
    for (; at > start && nearest[at - 1] > distance; at--) nearest[at] = nearest[at - 1];
    nearest[at] = distance;
  };
  const distances = new Float64Array(tile * tile);
  for (let i0 = 0; i0 < count; i0 += tile) {
    const i1 = Math.min(i0 + tile, count);
    // Each pair once: the distance counts for both.
    for (let j0 = i0; j0 < count; j0 += tile) {
      const j1 = Math.min(j0 + tile, count);
      squaredDistances(points, i0, i1, points, j0, j1, distances);
      for (let i = i0; i < i1; i++) {
        for (let j = Math.max(j0, i + 1); j < j1; j++) {
          const distance = distances[(i - i0) * tile + j - j0];
          insert(i, distance);
          insert(j, distance);
        }
      }
    }
  }
  return Float64Array.from({ length: count }, (_, row) => nearest[row * k + k - 1]);
}

/** Share of the rows that lie in at least one ball around a row of `manifold`. */
function shareWithin(points: Features, manifold: Features, radii: Float64Array): number {
  const distances = new Float64Array(tile * tile);
  let within = 0;
  for (let i0 = 0; i0 < points.count; i0 += tile) {
    const i1 = Math.min(i0 + tile, points.count);
    const found = new Uint8Array(i1 - i0);
    let missing = i1 - i0;
    for (let j0 = 0; j0 < manifold.count && missing > 0; j0 += tile) {
      const j1 = Math.min(j0 + tile, manifold.count);
      squaredDistances(points, i0, i1, manifold, j0, j1, distances, found);
      for (let i = 0; i < found.length; i++) {
        for (let j = j0; j < j1 && found[i] === 0; j++) {
          if (distances[i * tile + j - j0] <= radii[j]) {
            found[i] = 1;
            missing -= 1;
          }
        }
      }
    }
    within += i1 - i0 - missing;
  }
  return within / points.count;
}

/**
 * Squared distances between rows `i0..i1` of a and `j0..j1` of b, into `out[(i - i0) * tile + j - j0]`; rows marked
 * in `skip` are left out. Differences are summed directly: expanding the square would lose the small distances, and
 * with them the equality of a point and its copy.
 */
function squaredDistances(
  a: Features,
  i0: number,
  i1: number,
  b: Features,
  j0: number,
  j1: number,
  out: Float64Array,
  skip?: Uint8Array,
): void {
  const size = a.size;
  const left = a.data;
  const right = b.data;
  for (let i = i0; i < i1; i++) {
    if (skip !== undefined && skip[i - i0] === 1) continue;
    const row = i * size;
    for (let j = j0; j < j1; j += 4) {
      // The last group repeats its last row instead of having a loop of its own, so that all sums run alike.
      const row0 = j * size;
      const row1 = Math.min(j + 1, j1 - 1) * size;
      const row2 = Math.min(j + 2, j1 - 1) * size;
      const row3 = Math.min(j + 3, j1 - 1) * size;
      let sum0 = 0;
      let sum1 = 0;
      let sum2 = 0;
      let sum3 = 0;
      for (let d = 0; d < size; d++) {
        const value = left[row + d];
        const difference0 = value - right[row0 + d];
        const difference1 = value - right[row1 + d];
        const difference2 = value - right[row2 + d];
        const difference3 = value - right[row3 + d];
        sum0 += difference0 * difference0;
        sum1 += difference1 * difference1;
        sum2 += difference2 * difference2;
        sum3 += difference3 * difference3;
      }
      const at = (i - i0) * tile + j - j0;
      out[at] = sum0;
      if (j + 1 < j1) out[at + 1] = sum1;
      if (j + 2 < j1) out[at + 2] = sum2;
      if (j + 3 < j1) out[at + 3] = sum3;
    }
  }
}
