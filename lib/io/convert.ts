/** Numbers out of arrays of any element type. */

import type { NdArray } from "./ndarray.ts";

/**
 * The value of an IEEE 754 binary16 bit pattern.
 * @param bits 0 to 65535
 */
export function float16ToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/**
 * The value of an 8-bit float of the kind e4m3fn: no infinities, one NaN of each sign.
 * @param bits 0 to 255
 */
function float8e4m3ToNumber(bits: number): number {
  const sign = bits & 0x80 ? -1 : 1;
  const [exponent, fraction] = [(bits >> 3) & 0xf, bits & 7];
  if (exponent === 0xf && fraction === 7) return Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -9 : (8 + fraction) * 2 ** (exponent - 10));
}

/** The value of an 8-bit float of the kind e5m2, which is the upper half of a binary16. */
const float8e5m2ToNumber = (bits: number): number => float16ToNumber(bits << 8);

/** Floats that are held as bit patterns, and what these are worth. */
const WIDENED = {
  float16: float16ToNumber,
  float8_e4m3fn: float8e4m3ToNumber,
  float8_e5m2: float8e5m2ToNumber,
} as const;

/**
 * The elements as float32, shared with the array where it is float32 already. float64 and integers are rounded to
 * the nearest float32; float16, bfloat16 and the floats of 8 bits widen exactly.
 * @throws on strings.
 */
export function toFloat32(array: NdArray): Float32Array {
  switch (array.dtype) {
    case "float32":
      return array.data;
    case "bfloat16":
      // bfloat16 is the upper half of a float32.
      return new Float32Array(Uint32Array.from(array.data, (bits) => bits << 16).buffer);
    case "float16":
    case "float8_e4m3fn":
    case "float8_e5m2":
      return Float32Array.from(array.data, WIDENED[array.dtype]);
    case "int64":
    case "uint64":
      return Float32Array.from(array.data as ArrayLike<bigint>, Number);
    case "string":
      throw new Error("An array of strings has no numeric values");
    default:
      return Float32Array.from(array.data);
  }
}

/**
 * The elements as float64, shared with the array where it is float64 already. 64-bit integers beyond 2^53 are
 * rounded; everything else is exact.
 * @throws on strings.
 */
export function toFloat64(array: NdArray): Float64Array {
  switch (array.dtype) {
    case "float64":
      return array.data;
    case "bfloat16":
      return Float64Array.from(toFloat32(array));
    case "float16":
    case "float8_e4m3fn":
    case "float8_e5m2":
      return Float64Array.from(array.data, WIDENED[array.dtype]);
    case "int64":
    case "uint64":
      return Float64Array.from(array.data as ArrayLike<bigint>, Number);
    case "string":
      throw new Error("An array of strings has no numeric values");
    default:
      return Float64Array.from(array.data);
  }
}

/** float16, bfloat16 and the floats of 8 bits as float32, everything else unchanged. */
export function widenHalf(array: NdArray): NdArray {
  if (array.dtype !== "bfloat16" && !Object.hasOwn(WIDENED, array.dtype)) return array;
  return { shape: array.shape, dtype: "float32", data: toFloat32(array) };
}

/**
 * The single element of an array, of any shape.
 * @throws when there is not exactly one, or it is a string.
 */
export function scalarOf(array: NdArray): number {
  if (array.data.length !== 1) {
    throw new Error(`Expected an array of one element, got shape [${array.shape.join(", ")}]`);
  }
  return toFloat64(array)[0];
}
