/** The Frechet distance between Gaussians: FID where the features are Inception's. */

import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import type { GaussianStatistics } from "./stats.ts";

/**
 * `|m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr((S1 S2)^(1/2))` (Heusel et al. 2017, equation 6).
 *
 * The last trace is taken as the sum of the square roots of the eigenvalues of `S1^(1/2) S2 S1^(1/2)`, which is
 * symmetric and has the eigenvalues of `S1 S2`. Unlike a general matrix square root it needs no regularization when
 * a covariance is singular, as with fewer images than features.
 * @returns at least 0; 0 for equal Gaussians up to about 1e-8 of their variance
 * @throws when sizes differ, a value is NaN or infinite, or a covariance is not symmetric or has negative eigenvalues.
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

/** `tr((S1 S2)^(1/2))` */
function traceOfRoot(covarianceA: Float64Array, covarianceB: Float64Array, size: number): number {
  const { values, vectors } = eigen(Matrix.from1DArray(size, size, covarianceA), "first covariance");
  // With S1 = V L V^T, the matrix L^(1/2) V^T S2 V L^(1/2) has the same eigenvalues and needs one product less.
  const scaled = vectors.mulRowVector(values.map(Math.sqrt));
  const product = scaled
    .transpose()
    .mmul(Matrix.from1DArray(size, size, covarianceB))
    .mmul(scaled);
  // Rounding leaves it a little asymmetric.
  const symmetric = Matrix.add(product, product.transpose()).mul(0.5);
  return eigen(symmetric, "product of the covariances").values.reduce(
    (sum, value) => sum + Math.sqrt(value),
    0,
  );
}

/**
 * Eigenvalues and vectors of a positive semi-definite matrix. Eigenvalues within rounding error of 0 become 0: the
 * square root would otherwise blow that error up from 1e-16 to 1e-8.
 */
function eigen(matrix: Matrix, name: string): { values: number[]; vectors: Matrix } {
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(matrix, {
    assumeSymmetric: true,
  });
  const largest = realEigenvalues.reduce((maximum, value) => Math.max(maximum, Math.abs(value)), 0);
  const rounding = largest * matrix.rows * Number.EPSILON;
  const smallest = Math.min(...realEigenvalues);
  if (smallest < -1e-6 * largest) {
    throw new Error(`The ${name} has the eigenvalue ${smallest}, expected none below 0`);
  }
  return {
    values: realEigenvalues.map((value) => (value > rounding ? value : 0)),
    vectors: eigenvectorMatrix,
  };
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
