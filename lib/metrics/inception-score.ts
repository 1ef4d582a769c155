/** Inception Score (Salimans et al. 2016). */

import { checkFeatures, type Features } from "./features.ts";

export interface InceptionScoreOptions {
  /** Images per split, the last one may have fewer; 5000 by default, as ADM's evaluator. */
  splitSize?: number;
  /** Number of splits instead, of equal size up to rounding. */
  splits?: number;
}

/**
 * `exp(mean KL(p(y|x) || p(y)))` of each split, averaged over the splits.
 * @param probabilities class probabilities, one image per row
 * @returns 1 to the number of classes
 * @throws when a row is no probability distribution (to 1e-4, more than float32 needs), on NaN and on no rows, and
 * when the splits are not as said.
 */
export function inceptionScore(probabilities: Features, options: InceptionScoreOptions = {}): number {
  checkFeatures(probabilities, "probabilities", 1);
  checkDistributions(probabilities);
  const bounds = splitBounds(probabilities.count, options);
  let total = 0;
  for (let i = 1; i < bounds.length; i++) total += scoreOf(probabilities, bounds[i - 1], bounds[i]);
  return total / (bounds.length - 1);
}

function splitBounds(count: number, { splitSize, splits }: InceptionScoreOptions): number[] {
  if (splits !== undefined && splitSize !== undefined) {
    throw new Error("The Inception Score takes either splits or splitSize, got both");
  }
  if (splits !== undefined) {
    if (!Number.isInteger(splits) || splits < 1 || splits > count) {
      throw new Error(`splits must be an integer from 1 to the ${count} images, got ${splits}`);
    }
    return Array.from({ length: splits + 1 }, (_, i) => Math.floor((i * count) / splits));
  }
  const size = splitSize ?? 5000;
  if (!Number.isInteger(size) || size < 1) {
    throw new Error(`splitSize must be a positive integer, got ${size}`);
  }
  return Array.from({ length: Math.ceil(count / size) + 1 }, (_, i) => Math.min(i * size, count));
}

/** `exp(mean_x sum_y p(y|x) (log p(y|x) - log p(y)))` over the rows from `start` to `end`. */
function scoreOf({ data, size }: Features, start: number, end: number): number {
  const marginal = new Float64Array(size);
  for (let row = start; row < end; row++) {
    for (let j = 0; j < size; j++) marginal[j] += data[row * size + j] / (end - start);
  }
  let divergence = 0;
  for (let row = start; row < end; row++) {
    for (let j = 0; j < size; j++) {
      const p = data[row * size + j];
      // p log p tends to 0 with p.
      if (p > 0) divergence += p * (Math.log(p) - Math.log(marginal[j]));
    }
  }
  return Math.exp(divergence / (end - start));
}

function checkDistributions({ data, count, size }: Features): void {
  for (let row = 0; row < count; row++) {
    let sum = 0;
    for (let j = 0; j < size; j++) {
      const p = data[row * size + j];
      if (p < 0)
        throw new Error(`The probabilities hold ${p} in row ${row}, column ${j}, expected none below 0`);
      sum += p;
    }
    if (Math.abs(sum - 1) > 1e-4)
      throw new Error(`The probabilities in row ${row} sum to ${sum}, expected 1`);
  }
}
