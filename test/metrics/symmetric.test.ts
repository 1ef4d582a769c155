/** Factors, products and eigenvalues in double precision, against ml-matrix and closed forms. */
import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { gemm } from "../../lib/jit/targets/onnxruntime/gemm.ts";
import { transposedProduct } from "../../lib/metrics/frechet.ts";
import { choleskyFactor, symmetricEigenvalues } from "../../lib/metrics/symmetric.ts";
import { randomGenerator } from "../../lib/tensor/index.ts";
import { rejects } from "../io/helpers.ts";

const random = randomGenerator(11);
const uniform = (length: number): Float64Array => Float64Array.from({ length }, () => random.uniform() - 0.5);
const symmetric = (n: number): Float64Array => {
  const values = uniform(n * n);
  return values.map((value, i) => value + values[(i % n) * n + Math.floor(i / n)]);
};
const sorted = (values: Iterable<number>): number[] => [...values].sort((a, b) => a - b);
const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i])));

test("eigenvalues agree with ml-matrix", () => {
  for (const n of [1, 2, 3, 4, 7, 30, 101]) {
    const matrix = symmetric(n);
    const { realEigenvalues } = new EigenvalueDecomposition(Matrix.from1DArray(n, n, matrix), {
      assumeSymmetric: true,
    });
    assert.ok(
      largestDifference(sorted(symmetricEigenvalues(matrix, n)), sorted(realEigenvalues)) < 1e-12 * n,
    );
  }
});

test("eigenvalues have their closed forms, at any scale", () => {
  for (const scale of [1, 1e-150, 1e150]) {
    // The second difference of n points: 2 - 2 cos(pi k / (n + 1)).
    const n = 40;
    const matrix = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      matrix[i * n + i] = 2 * scale;
      if (i + 1 < n) matrix[i * n + i + 1] = -scale;
    }
    const expected = Array.from({ length: n }, (_, k) => 2 - 2 * Math.cos((Math.PI * (k + 1)) / (n + 1)));
    const got = sorted(symmetricEigenvalues(matrix, n)).map((value) => value / scale);
    assert.ok(largestDifference(got, sorted(expected)) < 1e-13);
  }
  assert.equal([...symmetricEigenvalues(new Float64Array(9), 3)], [0, 0, 0]);
  assert.equal(sorted(symmetricEigenvalues(Float64Array.of(3, 0, 0, 0, -1, 0, 0, 0, 2), 3)), [-1, 2, 3]);
  // All ones: n, and zeros.
  const ones = sorted(symmetricEigenvalues(new Float64Array(400).fill(1), 20));
  assert.ok(
    Math.abs(ones[19] - 20) < 1e-13 && largestDifference(ones.slice(0, 19), new Array(19).fill(0)) < 1e-13,
  );
  assert.throws(() => symmetricEigenvalues(new Float64Array(9).fill(Number.NaN), 3), /holds NaN or infinite/);
});

test("factors of any rank multiply to the matrix", async () => {
  for (const [n, rank] of [
    [1, 1],
    [5, 5],
    [20, 7],
    [37, 36],
    [6, 0],
  ]) {
    const root = uniform(rank * n);
    const matrix = rank === 0 ? new Float64Array(n * n) : await transposedProduct(root, n, root, n);
    const { factor, rank: got } = choleskyFactor(matrix, n, "matrix");
    assert.is(got, rank);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let k = 0; k < got; k++) sum += factor[i * got + k] * factor[j * got + k];
        assert.ok(Math.abs(sum - matrix[i * n + j]) < 1e-12);
      }
  }
  assert.throws(
    () => choleskyFactor(Float64Array.of(0, 1, 1, 0), 2, "matrix"),
    /matrix is not positive semi/,
  );
  assert.throws(() => choleskyFactor(Float64Array.of(1, 2, 2, 1), 2, "matrix"), /: -3 is left at \[1, 1\]/);
});

test("products agree with the definition, compiled or not", async () => {
  for (const [n, p, q] of [
    [1, 1, 1],
    [7, 3, 5],
    [10, 70, 530],
    [300, 200, 170],
  ]) {
    const [a, b] = [uniform(n * p), uniform(n * q)];
    const expected = Float64Array.from({ length: p * q }, (_, at) => {
      const [i, j] = [Math.floor(at / q), at % q];
      let sum = 0;
      for (let k = 0; k < n; k++) sum += a[k * p + i] * b[k * q + j];
      return sum;
    });
    assert.ok(largestDifference(await transposedProduct(a, p, b, q), expected) < 1e-14 * n);
    const compiled = await gemm({ m: p, n: q, k: n, transposeA: true });
    const [out, more] = [new Float64Array(p * q), uniform(p * q)];
    await compiled.run(a, b, out);
    assert.ok(largestDifference(out, expected) < 1e-14 * n);
    await compiled.run(a, b, out, more);
    assert.ok(
      largestDifference(
        out.map((value, i) => value - more[i]),
        expected,
      ) <
        1e-14 * n,
    );
    await rejects(
      (async () => compiled.run(a, b, new Float64Array(p * q + 1)))(),
      /gemm: out must have \d+ x \d+ values, got \d+/,
    );
    compiled.dispose();
  }
});

test.run();
