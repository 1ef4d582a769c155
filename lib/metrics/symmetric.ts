/** Symmetric matrices in double precision: row-major arrays of n x n. */

/** Dot product of `length` values from two places of two arrays. */
function dot(a: Float64Array, i: number, b: Float64Array, j: number, length: number): number {
  let [sum0, sum1, sum2, sum3] = [0, 0, 0, 0];
  let k = 0;
  for (; k + 3 < length; k += 4) {
    sum0 += a[i + k] * b[j + k];
    sum1 += a[i + k + 1] * b[j + k + 1];
    sum2 += a[i + k + 2] * b[j + k + 2];
    sum3 += a[i + k + 3] * b[j + k + 3];
  }
  for (; k < length; k++) sum0 += a[i + k] * b[j + k];
  return sum0 + sum1 + (sum2 + sum3);
}

/** Residuals larger than this share of the largest variance are no rounding. */
const TOLERANCE = 1e-6;

export interface Factor {
  /** [n,rank] */
  factor: Float64Array;
  rank: number;
}

/**
 * `L` with `L L^T = matrix`, for a positive semi-definite matrix of any rank: Cholesky's factor with pivots on the
 * diagonal (Golub and Van Loan, 4.2.8), which ends where what is left is rounding.
 * @throws naming the matrix when it is not positive semi-definite.
 */
export function choleskyFactor(matrix: Float64Array, n: number, name: string): Factor {
  const factor = new Float64Array(n * n);
  const left = Float64Array.from({ length: n }, (_, i) => matrix[i * n + i]);
  const largest = left.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  let rank = 0;
  for (; rank < n; rank++) {
    let best = rank;
    for (let i = rank + 1; i < n; i++) if (left[order[i]] > left[order[best]]) best = i;
    [order[rank], order[best]] = [order[best], order[rank]];
    const pivot = order[rank];
    if (left[pivot] <= n * Number.EPSILON * largest) break;
    const root = Math.sqrt(left[pivot]);
    factor[pivot * n + rank] = root;
    for (let at = rank + 1; at < n; at += 2) {
      // Two rows at a time, which read the pivot's once; an odd one twice.
      const [i, j] = [order[at], order[Math.min(at + 1, n - 1)]];
      let [sumI, sumJ] = [0, 0];
      for (let k = 0, a = i * n, b = j * n, c = pivot * n; k < rank; k++, a++, b++, c++) {
        sumI += factor[a] * factor[c];
        sumJ += factor[b] * factor[c];
      }
      const valueI = (matrix[i * n + pivot] - sumI) / root;
      const valueJ = (matrix[j * n + pivot] - sumJ) / root;
      factor[i * n + rank] = valueI;
      factor[j * n + rank] = valueJ;
      left[i] -= valueI * valueI;
      if (i !== j) left[j] -= valueJ * valueJ;
    }
  }
  for (let at = rank; at < n; at++) {
    const i = order[at];
    for (let other = rank; other <= at; other++) {
      const j = order[other];
      const rest = matrix[i * n + j] - dot(factor, i * n, factor, j * n, rank);
      if (Math.abs(rest) > TOLERANCE * largest)
        throw new Error(`The ${name} is not positive semi-definite: ${rest} is left at [${i}, ${j}]`);
    }
  }
  const packed = new Float64Array(n * rank);
  for (let i = 0; i < n; i++) packed.set(factor.subarray(i * n, i * n + rank), i * rank);
  return { factor: packed, rank };
}

/**
 * Householder's reduction to a tridiagonal matrix with the same eigenvalues. Only what lies on and above the diagonal
 * is read; the matrix is overwritten. The rank-two update of a step and the product that the next one needs are one
 * pass over what is left, since memory is what takes the time.
 */
function tridiagonal(a: Float64Array, n: number): { diagonal: Float64Array; beside: Float64Array } {
  const [diagonal, beside] = [new Float64Array(n), new Float64Array(n)];
  // The update under way is a - v w^T - w v^T.
  let [v, w, u, p] = [0, 1, 2, 3].map(() => new Float64Array(n));
  for (let k = 0; k < n; k++) {
    const top = k * n;
    for (let j = k; j < n; j++) a[top + j] -= v[k] * w[j] + w[k] * v[j];
    diagonal[k] = a[top + k];
    if (k === n - 1) break;
    // The reflector 1 - beta u u^T turns the rest of the row into a multiple of its first unit vector.
    const first = a[top + k + 1];
    const scale = maximum(a, top + k + 1, top + n);
    let squares = 0;
    for (let j = k + 1; j < n; j++) squares += (a[top + j] / scale) ** 2;
    const norm = scale === 0 ? 0 : scale * Math.sqrt(squares);
    const image = first > 0 ? -norm : norm;
    beside[k] = norm === 0 ? first : image;
    const beta = norm === 0 ? 0 : 1 / (1 + Math.abs(first) / norm);
    u.fill(0);
    p.fill(0);
    if (beta !== 0) {
      for (let j = k + 1; j < n; j++) u[j] = a[top + j] / norm;
      u[k + 1] = (first - image) / norm;
    }
    for (let i = k + 1; i < n; i += 2) {
      // Two rows at a time, which read the vectors once.
      const row = i * n;
      const [vi, wi, ui] = [v[i], w[i], u[i]];
      const corner = a[row + i] - 2 * vi * wi;
      a[row + i] = corner;
      if (i + 1 === n) {
        p[i] += corner * ui;
        break;
      }
      const next = row + n;
      const [vn, wn, un] = [v[i + 1], w[i + 1], u[i + 1]];
      const side = a[row + i + 1] - vi * wn - wi * vn;
      const cornerNext = a[next + i + 1] - 2 * vn * wn;
      a[row + i + 1] = side;
      a[next + i + 1] = cornerNext;
      let sum = corner * ui + side * un;
      let sumNext = side * ui + cornerNext * un;
      for (let j = i + 2; j < n; j++) {
        const vj = v[j];
        const wj = w[j];
        const uj = u[j];
        const value = a[row + j] - vi * wj - wi * vj;
        const valueNext = a[next + j] - vn * wj - wn * vj;
        a[row + j] = value;
        a[next + j] = valueNext;
        sum += value * uj;
        sumNext += valueNext * uj;
        p[j] += value * ui + valueNext * un;
      }
      p[i] += sum;
      p[i + 1] += sumNext;
    }
    const half = (beta * beta * dot(p, 0, u, 0, n)) / 2;
    for (let j = k + 1; j < n; j++) p[j] = beta * p[j] - half * u[j];
    [v, w, u, p] = [u, p, v, w];
  }
  return { diagonal, beside };
}

const maximum = (values: Float64Array, start: number, end: number): number => {
  let largest = 0;
  for (let i = start; i < end; i++) largest = Math.max(largest, Math.abs(values[i]));
  return largest;
};

/** Steps for one eigenvalue; two or three are usual. */
const MOST_STEPS = 60;

/**
 * Eigenvalues of a symmetric matrix, in no order: tridiagonal form, then implicit QL with Wilkinson's shifts (Golub and
 * Van Loan, 8.3). 2,048 take seconds, without vectors. What is below the diagonal is not read; the rest is overwritten.
 * @throws when a value is NaN or infinite.
 */
export function symmetricEigenvalues(matrix: Float64Array, n: number): Float64Array {
  const { diagonal: d, beside: e } = tridiagonal(matrix, n);
  if (!d.every(Number.isFinite)) throw new Error("A symmetric matrix holds NaN or infinite values");
  // At a scale of 1 squares neither overflow nor lose what counts.
  const scale = Math.max(maximum(d, 0, n), maximum(e, 0, n)) || 1;
  for (let i = 0; i < n; i++) [d[i], e[i]] = [d[i] / scale, e[i] / scale];
  for (let l = 0; l < n; l++) {
    for (let step = 0; ; step++) {
      let m = l;
      while (m < n - 1 && Math.abs(e[m]) > Number.EPSILON * (Math.abs(d[m]) + Math.abs(d[m + 1]))) m++;
      if (m === l) break;
      if (step === MOST_STEPS) throw new Error(`Eigenvalue ${l} did not converge in ${step} steps`);
      const slope = (d[l + 1] - d[l]) / (2 * e[l]);
      const root = Math.sqrt(slope * slope + 1);
      let g = d[m] - d[l] + e[l] / (slope + (slope < 0 ? -root : root));
      let [sine, cosine, shift] = [1, 1, 0];
      let i = m - 1;
      for (; i >= l; i--) {
        const f = sine * e[i];
        const b = cosine * e[i];
        const r = Math.sqrt(f * f + g * g);
        e[i + 1] = r;
        if (r === 0) {
          // Two blocks have come apart.
          d[i + 1] -= shift;
          e[m] = 0;
          break;
        }
        sine = f / r;
        cosine = g / r;
        const difference = d[i + 1] - shift;
        const t = (d[i] - difference) * sine + 2 * cosine * b;
        shift = sine * t;
        d[i + 1] = difference + shift;
        g = cosine * t - b;
      }
      if (i >= l) continue;
      d[l] -= shift;
      e[l] = g;
      e[m] = 0;
    }
  }
  return d.map((value) => value * scale);
}
