/** Inception Score (Salimans et al. 2016). */

import { checkFeatures, type Features } from "./features.ts";

/** Images of a split, as ADM's evaluator has them. */
const SPLIT_SIZE = 5000;

export interface InceptionScoreOptions {
  /** Images per split, the last one may have fewer; 5000 by default. */
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
  for (let i = 1; i < bounds.length; i++) {
    const sums = emptySums(probabilities.size);
    addRows(sums, probabilities, bounds[i - 1], bounds[i]);
    total += scoreOf(sums);
  }
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
  const size = splitSize ?? SPLIT_SIZE;
  if (!Number.isInteger(size) || size < 1) {
    throw new Error(`splitSize must be a positive integer, got ${size}`);
  }
  return Array.from({ length: Math.ceil(count / size) + 1 }, (_, i) => Math.min(i * size, count));
}

/** Sums over the images of one split. */
interface SplitSums {
  count: number;
  /** Of the probabilities, for each class. */
  marginal: Float64Array;
  /** Of `p log p`. */
  entropy: number;
}

const emptySums = (size: number): SplitSums => ({ count: 0, marginal: new Float64Array(size), entropy: 0 });

function addRows(sums: SplitSums, { data, size }: Features, start: number, end: number): void {
  sums.count += end - start;
  for (let row = start; row < end; row++)
    for (let j = 0; j < size; j++) {
      const p = data[row * size + j];
      sums.marginal[j] += p;
      // p log p tends to 0 with p.
      if (p > 0) sums.entropy += p * Math.log(p);
    }
}

/** `exp(mean_x sum_y p(y|x) (log p(y|x) - log p(y)))`, where the second sum over x is the marginal's entropy. */
function scoreOf({ count, marginal, entropy }: SplitSums): number {
  const cross = marginal.reduce((sum, p) => sum + (p > 0 ? p * Math.log(p / count) : 0), 0);
  // Never below 0 but for rounding.
  return Math.exp(Math.max(0, (entropy - cross) / count));
}

export interface InceptionScoreAccumulator {
  /** Throws as `inceptionScore` does. */
  add(probabilities: Features): void;
  /** Of each split so far; their mean is the Inception Score. */
  scores(): number[];
}

/**
 * Inception Scores of images that come batch by batch, in memory that does not grow with their number.
 * @param size classes
 */
export function inceptionScoreAccumulator(size: number, splitSize = SPLIT_SIZE): InceptionScoreAccumulator {
  const splits: SplitSums[] = [];
  return {
    add(probabilities) {
      checkFeatures(probabilities, "probabilities", 1);
      checkDistributions(probabilities);
      if (probabilities.size !== size)
        throw new Error(`The probabilities have ${probabilities.size} columns, expected ${size}`);
      for (let row = 0; row < probabilities.count; ) {
        if (splits.length === 0 || splits.at(-1)!.count === splitSize) splits.push(emptySums(size));
        const last = splits.at(-1)!;
        const end = Math.min(row + splitSize - last.count, probabilities.count);
        addRows(last, probabilities, row, end);
        row = end;
      }
    },
    scores: () => splits.map(scoreOf),
  };
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
