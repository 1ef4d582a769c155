/** Numbers of 16 bits for the tests, apart from the stand-ins' own. */
const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);

export const toBf16 = (x: number): number => {
  f32[0] = x;
  return (u32[0] + 0x7fff + ((u32[0] >>> 16) & 1)) >>> 16;
};
export const fromBf16 = (x: number): number => {
  u32[0] = x << 16;
  return f32[0];
};
export const fromHalf = (x: number): number => {
  const sign = x & 0x8000 ? -1 : 1;
  const exponent = (x >> 10) & 31;
  const mantissa = x & 0x3ff;
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + mantissa / 1024) : 2 ** -24 * mantissa);
};
/** The nearest half, by trial of the two around it; the even one of two as near. */
export const toHalf = (x: number): number => {
  const size = Math.abs(x);
  const sign = x < 0 ? 0x8000 : 0;
  let [low, high] = [0, 0x7c00];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (fromHalf(middle) <= size) low = middle;
    else high = middle;
  }
  const upper = high === 0x7c00 ? 65536 : fromHalf(high);
  const [below, above] = [size - fromHalf(low), upper - size];
  return sign | (below < above || (below === above && low % 2 === 0) ? low : high);
};
/** To 10 bits of mantissa, ties away from zero. */
export const toTf32 = (x: number): number => {
  f32[0] = x;
  u32[0] = (u32[0] + 0x1000) & ~0x1fff;
  return f32[0];
};
/** Numbers that differ, of about one. */
export const wave = (count: number, step: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(i * step + step));

/** op(A)[m,k] op(B)[k,n] of row-major numbers, in double precision. */
export function product(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  [m, n, k]: readonly [number, number, number],
): Float64Array {
  const out = new Float64Array(m * n);
  for (let i = 0; i < m; i++)
    for (let p = 0; p < k; p++) for (let j = 0; j < n; j++) out[i * n + j] += a[i * k + p] * b[p * n + j];
  return out;
}
/** The largest difference, as a part of the largest number; NaN where one of them is none. */
export function difference(got: ArrayLike<number>, want: ArrayLike<number>): number {
  let [worst, size] = [0, 0];
  for (let i = 0; i < want.length; i++) {
    if (Number.isNaN(got[i])) return Number.NaN;
    worst = Math.max(worst, Math.abs(got[i] - want[i]));
    size = Math.max(size, Math.abs(want[i]));
  }
  return worst / size;
}
