/** Element types of arrays: what holds each, and what each file format calls it. The one table of all readers and writers. */

/**
 * Element type -> what holds the elements. `float16`, `bfloat16` and the two `float8` hold their bit patterns
 * (`toFloat32` widens them), `bool` holds 0 and 1.
 */
export interface ArrayTypes {
  float64: Float64Array;
  float32: Float32Array;
  float16: Uint16Array;
  bfloat16: Uint16Array;
  float8_e4m3fn: Uint8Array;
  float8_e5m2: Uint8Array;
  int64: BigInt64Array;
  uint64: BigUint64Array;
  int32: Int32Array;
  uint32: Uint32Array;
  int16: Int16Array;
  uint16: Uint16Array;
  int8: Int8Array;
  uint8: Uint8Array;
  bool: Uint8Array;
  string: string[];
}

export type DType = keyof ArrayTypes;

/** The element types with a fixed number of bytes, that is all but `string`. */
export type NumericDType = Exclude<DType, "string">;

const types = {
  float64: { holder: Float64Array, numpy: "f8", safetensors: "F64", storage: "DoubleStorage", idx: 14 },
  float32: { holder: Float32Array, numpy: "f4", safetensors: "F32", storage: "FloatStorage", idx: 13 },
  float16: { holder: Uint16Array, numpy: "f2", safetensors: "F16", storage: "HalfStorage" },
  bfloat16: { holder: Uint16Array, safetensors: "BF16", storage: "BFloat16Storage" },
  float8_e4m3fn: { holder: Uint8Array, safetensors: "F8_E4M3" },
  float8_e5m2: { holder: Uint8Array, safetensors: "F8_E5M2" },
  int64: { holder: BigInt64Array, numpy: "i8", safetensors: "I64", storage: "LongStorage" },
  uint64: { holder: BigUint64Array, numpy: "u8", safetensors: "U64" },
  int32: { holder: Int32Array, numpy: "i4", safetensors: "I32", storage: "IntStorage", idx: 12 },
  uint32: { holder: Uint32Array, numpy: "u4", safetensors: "U32" },
  int16: { holder: Int16Array, numpy: "i2", safetensors: "I16", storage: "ShortStorage", idx: 11 },
  uint16: { holder: Uint16Array, numpy: "u2", safetensors: "U16" },
  int8: { holder: Int8Array, numpy: "i1", safetensors: "I8", storage: "CharStorage", idx: 9 },
  uint8: { holder: Uint8Array, numpy: "u1", safetensors: "U8", storage: "ByteStorage", idx: 8 },
  bool: { holder: Uint8Array, numpy: "b1", safetensors: "BOOL", storage: "BoolStorage" },
} as const;

/** How formats name types: NumPy's kind and bytes, safetensors' name, PyTorch's class of storage, IDX's number. */
type Format = "numpy" | "safetensors" | "storage" | "idx";

interface ElementType extends Partial<Record<Format, string | number>> {
  holder: (typeof types)[NumericDType]["holder"];
}
const table: Readonly<Record<NumericDType, ElementType>> = types;

const names = Object.keys(types) as NumericDType[];

/** What holds the elements of each type. */
export const holderOf = (dtype: NumericDType): ElementType["holder"] => table[dtype].holder;

/** Whether a name, PyTorch's, is that of an element type. */
export const isDType = (name: string): name is NumericDType => Object.hasOwn(table, name);

/** The type that a format means by a code; undefined where there is none. */
export const dtypeOfCode = (format: Format, code: unknown): NumericDType | undefined =>
  code === undefined ? undefined : names.find((dtype) => table[dtype][format] === code);

/** What a format calls a type; undefined where it has none like it. */
export const codeOfDType = (format: Format, dtype: DType): string | number | undefined =>
  dtype === "string" ? undefined : table[dtype][format];

/** The type that a holder has when none is named: the plain integers; bool and the narrow floats have to be named. */
export const inferredDType = (data: ArrayTypes[DType]): DType | undefined =>
  Array.isArray(data)
    ? "string"
    : (["uint8", "uint16", ...names] as const).find((dtype) => data instanceof table[dtype].holder);

/**
 * An array of a type that is not read, in a file that is sound: its error comes when it is asked for, and the arrays
 * beside it are read.
 */
export class UnsupportedType extends Error {
  override name = "UnsupportedType";
}

/** Adds an array under a name to what was read: one of a type that is not read throws when it is asked for. */
export function addArray<T>(arrays: Record<string, T>, name: string, read: () => T): void {
  const value = { enumerable: true, configurable: true };
  try {
    Object.defineProperty(arrays, name, { ...value, writable: true, value: read() });
  } catch (error) {
    if (!(error instanceof UnsupportedType)) throw error;
    const get = (): never => {
      throw error;
    };
    Object.defineProperty(arrays, name, { ...value, get });
  }
}
