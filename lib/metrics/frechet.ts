/** The Frechet distance between Gaussians: FID where the features are Inception's. */

import { gemm } from "../jit/targets/onnxruntime/gemm.ts";
import type { GaussianStatistics } from "./stats.ts";
import { choleskyFactor, type Factor, symmetricEigenvalues } from "./symmetric.ts";

/**
 * `|m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr((S1 S2)^(1/2))` (Heusel et al. 2017, equation 6).
 *
 * The last trace is taken from the factors of both covariances. Unlike a general matrix square root it needs no
 * regularization when one is singular, as with fewer images than features.
 * @returns at least 0; 0 for equal Gaussians up to about 1e-8 of their variance
 * @throws when sizes differ, a value is NaN or infinite, or a covariance is not symmetric or not positive semi-definite.
 */
export const frechetDistance = async (a: GaussianStatistics, b: GaussianStatistics): Promise<number> =>
  frechetDistancesFrom(a)(b);

/** The distance to one Gaussian after the other, whose factor is found once. */
export function frechetDistancesFrom(a: GaussianStatistics): (b: GaussianStatistics) => Promise<number> {
  checkStatistics(a, "first");
  const size = a.mean.length;
  const factorA = choleskyFactor(a.covariance, size, "first covariance");
  return async (b) => {
    checkStatistics(b, "second");
    if (b.mean.length !== size)
      throw new Error(`Cannot compare Gaussians of ${size} and ${b.mean.length} features`);
    let distance = 0;
    for (let i = 0; i < size; i++) {
      distance += (a.mean[i] - b.mean[i]) ** 2 + a.covariance[i * size + i] + b.covariance[i * size + i];
    }
    const factorB = choleskyFactor(b.covariance, size, "second covariance");
    return Math.max(0, distance - 2 * (await traceOfRoot(factorA, factorB)));
  };
}

/**
 * `tr((S1 S2)^(1/2))`: with `S1 = A A^T` and `S2 = B B^T` the eigenvalues of `S1 S2` that are not 0 are those of
 * `(A^T B)^T (A^T B)`.
 */
async function traceOfRoot(a: Factor, b: Factor): Promise<number> {
  const [wide, narrow] = a.rank > b.rank ? [a, b] : [b, a];
  const mixed = await transposedProduct(wide.factor, wide.rank, narrow.factor, narrow.rank);
  const squared = await transposedProduct(mixed, narrow.rank, mixed, narrow.rank);
  const eigenvalues = symmetricEigenvalues(squared, narrow.rank);
  // What is within rounding error of 0 becomes 0: the root would blow that error up from 1e-16 to 1e-8.
  const largest = eigenvalues.reduce((most, value) => Math.max(most, value), 0);
  const size = wide.rank === 0 ? 0 : wide.factor.length / wide.rank;
  const rounding = largest * size * Number.EPSILON;
  return eigenvalues.reduce((sum, value) => sum + (value > rounding ? Math.sqrt(value) : 0), 0);
}

/** Products of fewer multiplications are done before they would be compiled. */
const WORTH_COMPILING = 1e7;

/** `a^T b` of `[n, columnsA]` and `[n, columnsB]`. */
export async function transposedProduct(
  a: Float64Array,
  columnsA: number,
  b: Float64Array,
  columnsB: number,
): Promise<Float64Array> {
  const n = columnsA === 0 ? 0 : a.length / columnsA;
  const product = new Float64Array(columnsA * columnsB);
  if (n * product.length >= WORTH_COMPILING) {
    const compiled = await gemm({ m: columnsA, n: columnsB, k: n, transposeA: true });
    await compiled.run(a, b, product);
    compiled.dispose();
    return product;
  }
  for (let row = 0; row < n; row++)
    for (let i = 0; i < columnsA; i++) {
      const value = a[row * columnsA + i];
      for (let j = 0; j < columnsB; j++) product[i * columnsB + j] += value * b[row * columnsB + j];
    }
  return product;
}

function checkStatistics({ mean, covariance }: GaussianStatistics, which: string): void {
  const size = mean.length;
  if (size === 0 || covariance.length !== size * size) {
    throw new Error(
      `The ${which} Gaussian has ${size} means and ${covariance.length} covariances, expected ${size * size}`,
    );
  }
  if (!mean.every(Number.isFinite) || !covariance.every(Number.isFinite)) {
    throw new Error(`The ${which} Gaussian holds NaN or infinite values`);
  }
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < i; j++) {
      const [lower, upper] = [covariance[i * size + j], covariance[j * size + i]];
      const scale = Math.sqrt(Math.abs(covariance[i * size + i] * covariance[j * size + j]));
      if (Math.abs(lower - upper) > 1e-6 * scale) {
        throw new Error(
          `The ${which} covariance is not symmetric: ${lower} at [${i}, ${j}] and ${upper} at [${j}, ${i}]`,
        );
      }
    }
  }
}
