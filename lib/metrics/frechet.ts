/** The Frechet distance between Gaussians: FID where the features are Inception's. */

import type { GaussianStatistics } from "./stats.ts";
import { choleskyFactor, symmetricEigenvalues, transposedProduct } from "./symmetric.ts";

/**
 * `|m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr((S1 S2)^(1/2))` (Heusel et al. 2017, equation 6).
 *
 * The last trace is taken from the factors of both covariances. Unlike a general matrix square root it needs no
 * regularization when one is singular, as with fewer images than features.
 * @returns at least 0; 0 for equal Gaussians up to about 1e-8 of their variance
 * @throws when sizes differ, a value is NaN or infinite, or a covariance is not symmetric or not positive semi-definite.
 */
export function frechetDistance(a: GaussianStatistics, b: GaussianStatistics): number {
  checkStatistics(a, "first");
  checkStatistics(b, "second");
  const size = a.mean.length;
  if (b.mean.length !== size) {
    throw new Error(`Cannot compare Gaussians of ${size} and ${b.mean.length} features`);
  }
  let distance = 0;
  for (let i = 0; i < size; i++) {
    distance += (a.mean[i] - b.mean[i]) ** 2 + a.covariance[i * size + i] + b.covariance[i * size + i];
  }
  return Math.max(0, distance - 2 * traceOfRoot(a.covariance, b.covariance, size));
}

/**
 * `tr((S1 S2)^(1/2))`: with `S1 = A A^T` and `S2 = B B^T` the eigenvalues of `S1 S2` that are not 0 are those of
 * `(A^T B)^T (A^T B)`.
 */
function traceOfRoot(covarianceA: Float64Array, covarianceB: Float64Array, size: number): number {
  const a = choleskyFactor(covarianceA, size, "first covariance");
  const b = choleskyFactor(covarianceB, size, "second covariance");
  const [wide, narrow] = a.rank > b.rank ? [a, b] : [b, a];
  const mixed = transposedProduct(wide.factor, wide.rank, narrow.factor, narrow.rank);
  const squared = transposedProduct(mixed, narrow.rank, mixed, narrow.rank, true);
  const eigenvalues = symmetricEigenvalues(squared, narrow.rank);
  // What is within rounding error of 0 becomes 0: the root would blow that error up from 1e-16 to 1e-8.
  const largest = eigenvalues.reduce((most, value) => Math.max(most, value), 0);
  const rounding = largest * size * Number.EPSILON;
  return eigenvalues.reduce((sum, value) => sum + (value > rounding ? Math.sqrt(value) : 0), 0);
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
