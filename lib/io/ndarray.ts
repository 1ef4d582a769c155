/** Typed arrays with a shape: what the file formats of this folder read and write. */

import { endianness } from "node:os";
import { type ArrayTypes, type DType, holderOf, inferredDType, type NumericDType } from "./dtypes.ts";

export type { ArrayTypes, DType, NumericDType } from "./dtypes.ts";

/**
 * An array in row-major (C) order. A union over the element types: testing `dtype` narrows `data`.
 * A scalar has the shape `[]` and one element.
 */
export type NdArray<D extends DType = DType> = {
  [K in D]: { shape: number[]; dtype: K; data: ArrayTypes[K] };
}[D];

/** The element type that `ndarray` gives an array when none is named. */
export type DTypeOf<A> = A extends Float64Array
  ? "float64"
  : A extends Float32Array
    ? "float32"
    : A extends BigInt64Array
      ? "int64"
      : A extends BigUint64Array
        ? "uint64"
        : A extends Int32Array
          ? "int32"
          : A extends Uint32Array
            ? "uint32"
            : A extends Int16Array
              ? "int16"
              : A extends Uint16Array
                ? "uint16"
                : A extends Int8Array
                  ? "int8"
                  : A extends Uint8Array | Uint8ClampedArray
                    ? "uint8"
                    : A extends string[]
                      ? "string"
                      : never;

/** Bytes of one element. */
export function bytesPerElement(dtype: NumericDType): number {
  return holderOf(dtype).BYTES_PER_ELEMENT;
}

/**
 * Number of elements of a shape; 1 for `[]`.
 * @param owner what errors call the array
 * @throws when a dimension is not a non-negative integer or the product exceeds 2^53.
 */
export function elementCount(shape: readonly number[], owner = "An array"): number {
  const count = shape.reduce((product, size) => product * size, 1);
  if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0) || !Number.isSafeInteger(count)) {
    throw new Error(`${owner} cannot have the shape [${shape.join(", ")}]`);
  }
  return count;
}

/**
 * Joins elements and a shape, without copying.
 * @param data the elements in row-major order
 * @param shape its product must be `data.length`
 * @param dtype needed only for `bool` and the floats of 16 and 8 bits, whose holders also serve other types
 * @throws when the shape does not fit the number of elements or the holder does not fit the type.
 */
export function ndarray<D extends DType>(data: ArrayTypes[D], shape: number[], dtype: D): NdArray<D>;
export function ndarray<A extends ArrayTypes[DType]>(data: A, shape: number[]): NdArray<DTypeOf<A>>;
export function ndarray(data: ArrayTypes[DType], shape: number[], dtype = inferredDType(data)): NdArray {
  if (dtype === undefined) throw new Error(`No element type is held by ${data.constructor.name}`);
  if (dtype === "string" ? !Array.isArray(data) : !(data instanceof holderOf(dtype))) {
    throw new Error(`An array of ${dtype} cannot be held by ${data.constructor.name}`);
  }
  if (elementCount(shape) !== data.length) {
    throw new Error(
      `An array of shape [${shape.join(", ")}] has ${elementCount(shape)} elements, got ${data.length}`,
    );
  }
  return { shape, dtype, data } as NdArray;
}

/**
 * Interprets bytes as an array. Shares their memory where alignment and byte order allow it.
 * @param bytes exactly `product(shape) * bytesPerElement(dtype)` of them
 * @throws when the number of bytes does not fit.
 */
export function fromBytes<D extends NumericDType>(
  bytes: Uint8Array,
  shape: number[],
  dtype: D,
  byteOrder: "LE" | "BE" = "LE",
): NdArray<D> {
  const size = bytesPerElement(dtype);
  const count = elementCount(shape);
  if (bytes.length !== count * size) {
    throw new Error(
      `An array of shape [${shape.join(", ")}] and type ${dtype} has ${count * size} bytes, got ${bytes.length}`,
    );
  }
  const swap = size > 1 && byteOrder !== endianness();
  const own = swap || bytes.byteOffset % size !== 0 ? bytes.slice() : bytes;
  if (swap) swapBytes(own, size);
  const data = new (holderOf(dtype))(own.buffer as ArrayBuffer, own.byteOffset, count);
  return { shape, dtype, data } as NdArray<D>;
}

/** The elements as little-endian bytes; shares their memory on little-endian machines. */
export function toBytes(array: NdArray<NumericDType>): Uint8Array {
  const { data } = array;
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (endianness() === "LE" || data.BYTES_PER_ELEMENT === 1) return bytes;
  const copy = bytes.slice();
  swapBytes(copy, data.BYTES_PER_ELEMENT);
  return copy;
}

/** Reverses each group of `size` (2, 4 or 8) bytes in place. */
function swapBytes(bytes: Uint8Array, size: number): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (size === 2) buffer.swap16();
  else if (size === 4) buffer.swap32();
  else buffer.swap64();
}
