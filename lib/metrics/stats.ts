/** Mean and covariance of features. */

import { checkFeatures, type Features } from "./features.ts";

/** A Gaussian fitted to features. */
export interface GaussianStatistics {
  /** `[size]` */
  mean: Float64Array;
  /** Symmetric, row-major `[size, size]`. */
  covariance: Float64Array;
}

/** Rows accumulated at a time: few enough to stay in the processor's cache at 2048 features. */
const blockRows = 64;

/** Sums over rows, as differences from an origin near their mean, so that a large mean costs no accuracy. */
export interface CenteredSums {
  count: number;
  origin: Float64Array;
  /** Of the differences. */
  linear: Float64Array;
  /** Of their products, `[size, size]`; the upper triangle is enough. */
  squares: Float64Array;
}

/** Mean and unbiased covariance (divided by count - 1, as `numpy.cov`) from sums. */
export function statisticsOfSums({ count, origin, linear, squares }: CenteredSums): GaussianStatistics {
  const size = origin.length;
  const covariance = new Float64Array(size * size);
  for (let i = 0; i < size; i++)
    for (let j = i; j < size; j++) {
      const value = (squares[i * size + j] - (linear[i] * linear[j]) / count) / (count - 1);
      covariance[i * size + j] = value;
      covariance[j * size + i] = value;
    }
  return { mean: origin.map((value, j) => value + linear[j] / count), covariance };
}

/** Mean of each column. */
export function columnMeans({ data, count, size }: Features): Float64Array {
  const mean = new Float64Array(size);
  for (let row = 0; row < count; row++) for (let j = 0; j < size; j++) mean[j] += data[row * size + j];
  return mean.map((sum) => sum / count);
}

/**
 * Sample mean and unbiased covariance (divided by count - 1, as `numpy.cov`), in double precision whatever the
 * features' type. Two passes, so that a large mean costs no accuracy.
 * @throws on fewer than two rows and on NaN or infinite values.
 */
export function gaussianStatistics(features: Features): GaussianStatistics {
  checkFeatures(features, "features", 2);
  const { data, count, size } = features;
  const origin = columnMeans(features);
  const [linear, squares] = [new Float64Array(size), new Float64Array(size * size)];
  const block = new Float64Array(size * blockRows);
  for (let start = 0; start < count; start += blockRows) {
    const rows = Math.min(blockRows, count - start);
    // Transposed, so that each product below runs through memory in order.
    for (let row = 0; row < rows; row++)
      for (let j = 0; j < size; j++) {
        const value = data[(start + row) * size + j] - origin[j];
        block[j * blockRows + row] = value;
        linear[j] += value;
      }
    addProducts(squares, block, size, rows);
  }
  return statisticsOfSums({ count, origin, linear, squares });
}

/** Adds `block block^T` to the upper triangle; four columns at a time to reuse what is loaded. */
function addProducts(squares: Float64Array, block: Float64Array, size: number, rows: number): void {
  for (let i = 0; i < size; i++) {
    const a = i * blockRows;
    let j = i;
    for (; j + 3 < size; j += 4) {
      const b = j * blockRows;
      let sum0 = 0;
      let sum1 = 0;
      let sum2 = 0;
      let sum3 = 0;
      for (let row = 0; row < rows; row++) {
        const value = block[a + row];
        sum0 += value * block[b + row];
        sum1 += value * block[b + blockRows + row];
        sum2 += value * block[b + 2 * blockRows + row];
        sum3 += value * block[b + 3 * blockRows + row];
      }
      squares[i * size + j] += sum0;
      squares[i * size + j + 1] += sum1;
      squares[i * size + j + 2] += sum2;
      squares[i * size + j + 3] += sum3;
    }
    for (; j < size; j++) {
      let sum = 0;
      for (let row = 0; row < rows; row++) sum += block[a + row] * block[j * blockRows + row];
      squares[i * size + j] += sum;
    }
  }
}
