/** Mean and covariance of features that come batch by batch, in memory that does not grow with their number. */
import { gemm } from "../jit/targets/onnxruntime/gemm.ts";
import { checkFeatures, type Features } from "./features.ts";
import { columnMeans, type GaussianStatistics, statisticsOfSums } from "./stats.ts";

/** Rows that are multiplied at a time. */
const ROWS = 512;

export interface GaussianAccumulator {
  /** @param groups what group each row belongs to; by default all to the first. */
  add(features: Features, groups?: ArrayLike<number>): Promise<void>;
  /**
   * The statistics of all rows so far, or those of some groups: sample mean and unbiased covariance.
   * @throws on fewer than two rows.
   */
  statistics(groups?: readonly number[]): Promise<GaussianStatistics>;
  /** Frees what is compiled; statistics of what was added by then may still be taken. */
  finish(): Promise<void>;
}

/** Sums of the rows of one group, as differences from the origin. */
interface Sums {
  count: number;
  linear: Float64Array;
  /** Of the rows that were multiplied. */
  squares: Float64Array<ArrayBufferLike>;
  rows: Float64Array;
  /** Rows that wait to be multiplied. */
  waiting: number;
}

/**
 * Sums in double precision on compiled products, of differences from the first rows' mean, so that a large mean costs
 * no accuracy. The result is `gaussianStatistics` of all rows. With groups, the statistics without some of the rows
 * need no second pass; each group takes the memory of a covariance.
 */
export async function gaussianAccumulator(size: number, groups = 1): Promise<GaussianAccumulator> {
  const product = await gemm({ m: size, n: size, k: ROWS, transposeA: true });
  const all = Array.from(
    { length: groups },
    (): Sums => ({
      count: 0,
      linear: new Float64Array(size),
      squares: new Float64Array(size * size),
      rows: new Float64Array(ROWS * size),
      waiting: 0,
    }),
  );
  let spare: Float64Array<ArrayBufferLike> = new Float64Array(size * size);
  let origin: Float64Array | undefined;

  const multiply = async (sums: Sums): Promise<void> => {
    if (sums.waiting === 0) return;
    // What is left from before would count again.
    sums.rows.fill(0, sums.waiting * size);
    await product.run(sums.rows, sums.rows, spare, sums.squares);
    [sums.squares, spare] = [spare, sums.squares];
    sums.waiting = 0;
  };
  const multiplyAll = async (): Promise<void> => {
    for (const sums of all) await multiply(sums);
  };
  return {
    async add(features, group) {
      checkFeatures(features, "features", 1);
      if (features.size !== size)
        throw new Error(`features have ${features.size} columns, expected ${size} as the first ones`);
      const { data } = features;
      origin ??= columnMeans(features);
      for (let row = 0; row < features.count; row++) {
        const sums = all[group?.[row] ?? 0];
        for (let j = 0; j < size; j++) {
          const value = data[row * size + j] - origin[j];
          sums.rows[sums.waiting * size + j] = value;
          sums.linear[j] += value;
        }
        sums.waiting += 1;
        sums.count += 1;
        if (sums.waiting === ROWS) await multiply(sums);
      }
    },
    async statistics(groups) {
      await multiplyAll();
      const chosen = groups ? groups.map((group) => all[group]) : all;
      const count = chosen.reduce((sum, sums) => sum + sums.count, 0);
      if (count < 2 || !origin) throw new Error(`features have ${count} rows, expected at least 2`);
      const [linear, squares] = [new Float64Array(size), new Float64Array(size * size)];
      for (const sums of chosen) {
        for (let j = 0; j < size; j++) linear[j] += sums.linear[j];
        for (let i = 0; i < squares.length; i++) squares[i] += sums.squares[i];
      }
      return statisticsOfSums({ count, origin, linear, squares });
    },
    async finish() {
      await multiplyAll();
      product.dispose();
    },
  };
}
