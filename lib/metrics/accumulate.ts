/** Mean and covariance of features that come batch by batch, in memory that does not grow with their number. */
import { gemm } from "../jit/gemm.ts";
import { checkFeatures, type Features } from "./features.ts";
import type { GaussianStatistics } from "./stats.ts";

/** Rows that are multiplied at a time. */
const ROWS = 512;

export interface GaussianAccumulator {
  add(features: Features): Promise<void>;
  /** The statistics of all rows so far: sample mean and unbiased covariance. Throws on fewer than two. */
  statistics(): GaussianStatistics;
  dispose(): void;
}

/**
 * Sums in double precision on compiled products, of differences from the first rows' mean, so that a large mean costs
 * no accuracy. The result is `gaussianStatistics` of all rows.
 */
export async function gaussianAccumulator(size: number): Promise<GaussianAccumulator> {
  const product = await gemm({ m: size, n: size, k: ROWS, transposeA: true });
  const rows = new Float64Array(ROWS * size);
  const sums = new Float64Array(size);
  let [squares, next] = [new Float64Array(size * size), new Float64Array(size * size)];
  let [filled, count] = [0, 0];
  let origin: Float64Array | undefined;

  const flush = async (): Promise<void> => {
    // What is left from before would count again.
    rows.fill(0, filled * size);
    await product.run(rows, rows, next, squares);
    [squares, next] = [next, squares];
    filled = 0;
  };
  return {
    async add(features) {
      checkFeatures(features, "features", 1);
      if (features.size !== size)
        throw new Error(`features have ${features.size} columns, expected ${size} as the first ones`);
      const { data } = features;
      origin ??= meanOf(features);
      for (let row = 0; row < features.count; row++) {
        for (let j = 0; j < size; j++) {
          const value = data[row * size + j] - origin[j];
          rows[filled * size + j] = value;
          sums[j] += value;
        }
        filled += 1;
        count += 1;
        if (filled === ROWS) await flush();
      }
      if (filled > 0) await flush();
    },
    statistics() {
      if (count < 2 || !origin) throw new Error(`features have ${count} rows, expected at least 2`);
      const covariance = new Float64Array(size * size);
      for (let i = 0; i < size; i++)
        for (let j = i; j < size; j++) {
          const value = (squares[i * size + j] - (sums[i] * sums[j]) / count) / (count - 1);
          covariance[i * size + j] = value;
          covariance[j * size + i] = value;
        }
      return { mean: sums.map((sum, j) => origin![j] + sum / count), covariance };
    },
    dispose: () => product.dispose(),
  };
}

function meanOf({ data, count, size }: Features): Float64Array {
  const mean = new Float64Array(size);
  for (let row = 0; row < count; row++)
    for (let j = 0; j < size; j++) mean[j] += data[row * size + j] / count;
  return mean;
}
