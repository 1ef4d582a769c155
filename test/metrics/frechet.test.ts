import { test } from "uvu";
import * as assert from "uvu/assert";
import { frechetDistance, type GaussianStatistics, gaussianStatistics } from "../../lib/metrics/index.ts";
import { rejects } from "../io/helpers.ts";
import { close, features, featuresOf, firstRows, matches, reference } from "./helpers.ts";

const real = featuresOf(reference.reference);
const generated = featuresOf(reference.samples);

function diagonal(mean: number[], variances: number[]): GaussianStatistics {
  const covariance = new Float64Array(mean.length ** 2);
  variances.forEach((variance, i) => {
    covariance[i * mean.length + i] = variance;
  });
  return { mean: Float64Array.from(mean), covariance };
}

/** `Q diag Q^T` for a rotation by `angle` of the first two axes. */
function rotated(variances: [number, number], angle: number): GaussianStatistics {
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  const [a, b] = variances;
  const cross = (a - b) * c * s;
  const covariance = Float64Array.of(a * c * c + b * s * s, cross, cross, a * s * s + b * c * c);
  return { mean: new Float64Array(2), covariance };
}

test("mean and covariance agree with numpy", () => {
  for (const [set, suffix] of [
    [real, "ref"],
    [generated, "smp"],
  ] as const) {
    const { mean, covariance } = gaussianStatistics(set);
    const expectedMean = featuresOf({ ...reference[`mu_${suffix}`], shape: [1, 64] });
    const expectedCovariance = featuresOf(reference[`sigma_${suffix}`]);
    mean.forEach((value, i) => {
      close(value, expectedMean.data[i], 1e-13, `mean ${i}`);
    });
    covariance.forEach((value, i) => {
      close(value, expectedCovariance.data[i], 1e-13, `covariance ${i}`);
    });
  }
});

test("covariance survives a mean far from zero, and any number of columns and rows", () => {
  const offset = 1e8;
  const { mean, covariance } = gaussianStatistics(features(2, offset, 1, offset + 1, 3, offset + 2, 2));
  assert.equal([...mean], [offset + 1, 2]);
  assert.equal([...covariance], [1, 0.5, 0.5, 1]);
  // 67 rows cross a block, 7 columns leave a remainder; compared with the definition.
  const values = Array.from({ length: 67 * 7 }, (_, i) => Math.sin(i * i));
  const stats = gaussianStatistics(features(7, ...values));
  for (let i = 0; i < 7; i++) {
    for (let j = 0; j < 7; j++) {
      let sum = 0;
      for (let n = 0; n < 67; n++)
        sum += (values[n * 7 + i] - stats.mean[i]) * (values[n * 7 + j] - stats.mean[j]);
      close(stats.covariance[i * 7 + j], sum / 66, 1e-14);
    }
  }
});

test("agrees with the reference, in either order", async () => {
  const [a, b] = [gaussianStatistics(real), gaussianStatistics(generated)];
  matches(await frechetDistance(a, b), "fid", 1e-10);
  matches(await frechetDistance(b, a), "fid", 1e-10);
});

test("agrees with the reference where a covariance is singular", async () => {
  const few = gaussianStatistics(firstRows(real, 40));
  const all = gaussianStatistics(generated);
  // The reference's general matrix square root is itself good to a few 1e-8 here.
  matches(await frechetDistance(few, all), "fid_rank_deficient_40_vs_samples", 1e-6);
  matches(await frechetDistance(all, few), "fid_rank_deficient_40_vs_samples", 1e-6);
  close(await frechetDistance(few, all), await frechetDistance(all, few), 1e-10);
});

test("a set is at no distance from itself", async () => {
  // Rounding of the 64 eigenvalues, relative 1e-16 and under a root up to 1e-8, times a trace of 138.
  for (const set of [real, firstRows(real, 40), firstRows(real, 2)]) {
    const statistics = gaussianStatistics(set);
    const distance = await frechetDistance(statistics, statistics);
    assert.ok(distance >= 0 && distance < 1e-8, `${distance}`);
  }
  const shifted = gaussianStatistics(real);
  shifted.mean = shifted.mean.map((value) => value + 0.5);
  close(await frechetDistance(gaussianStatistics(real), shifted), 64 * 0.25, 1e-9);
});

test("agrees with closed forms", async () => {
  const a = diagonal([1, 2, 3], [4, 9, 0]);
  const b = diagonal([1, 0, 3], [1, 25, 16]);
  close(await frechetDistance(a, b), 4 + (2 - 1) ** 2 + (3 - 5) ** 2 + (0 - 4) ** 2, 1e-12);
  close(await frechetDistance(b, a), 25, 1e-12);
  close(await frechetDistance(diagonal([3], [0]), diagonal([0], [0])), 9, 1e-12);
  // In two dimensions tr (AB)^(1/2) = (tr AB + 2 (det AB)^(1/2))^(1/2).
  const [first, second] = [rotated([3, 0.5], 0.4), rotated([2, 0.1], -1.1)];
  const [p, q] = [first.covariance, second.covariance];
  const trace = p[0] * q[0] + 2 * p[1] * q[1] + p[3] * q[3];
  const root = Math.sqrt(trace + 2 * Math.sqrt(3 * 0.5 * 2 * 0.1));
  close(await frechetDistance(first, second), 3.5 + 2.1 - 2 * root, 1e-12);
});

test("refuses what are no features", () => {
  assert.throws(() => gaussianStatistics(features(2, 1, 2)), /1 rows, expected at least 2/);
  assert.throws(() => gaussianStatistics({ ...features(2, 1, 2, 3, 4), count: 3 }), /\[3, 2\], .* 4 values/);
  assert.throws(() => gaussianStatistics(features(2, 1, 2, 3, Number.NaN)), /hold NaN in row 1, column 1/);
  assert.throws(
    () => gaussianStatistics(features(1, Number.NEGATIVE_INFINITY, 1)),
    /hold -Infinity in row 0/,
  );
});

test("refuses what are no Gaussians", async () => {
  const good = diagonal([0, 0], [1, 1]);
  const asymmetric = { ...good, covariance: Float64Array.of(1, 0.5, 0.1, 1) };
  await rejects(frechetDistance(good, diagonal([0], [1])), /2 and 1 features/);
  await rejects(
    frechetDistance(good, { ...good, covariance: new Float64Array(3) }),
    /second .* 3 covariances/,
  );
  await rejects(frechetDistance(diagonal([0, Number.NaN], [1, 1]), good), /first .*NaN/);
  await rejects(frechetDistance(good, diagonal([0, 0], [1, Number.POSITIVE_INFINITY])), /second .*infinite/);
  await rejects(frechetDistance(good, asymmetric), /second covariance is not symmetric: 0.1 at \[1, 0\]/);
  await rejects(
    frechetDistance(diagonal([0, 0], [1, -1]), good),
    /first covariance is not positive semi-definite: -1 is left at \[1, 1\]/,
  );
});

test.run();
