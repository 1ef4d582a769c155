/** Of what the values of a graph are made, and typed arrays of it. */
import type { DataType } from "../tensor/tf.ts";

/** Element types of graph values: the tensors' own, and int64 for ONNX's shape and axis operands. */
export type GraphType = "float32" | "float64" | "int32" | "bool" | "int64";
export type GraphData = Float32Array | Float64Array | Int32Array | Uint8Array | BigInt64Array;

/** Their numbers in ONNX. */
export const ONNX_TYPE: Readonly<Record<GraphType, number>> = {
  float32: 1,
  int32: 6,
  int64: 7,
  bool: 9,
  float64: 11,
};

const DTYPES: readonly string[] = ["float32", "int32", "bool"];

/** Checks that a tensor's dtype can be part of a graph. */
export function graphType(dtype: DataType, what: string): GraphType {
  if (!DTYPES.includes(dtype))
    throw new TypeError(`jit: ${what} has dtype ${dtype}; expected ${DTYPES.join(", ")}`);
  return dtype as GraphType;
}

/** Converts host values to the typed array of a dtype. */
export function graphData(values: ArrayLike<number> | GraphData, dtype: GraphType): GraphData {
  const numbers = values as ArrayLike<number>;
  if (dtype === "float32") return values instanceof Float32Array ? values : Float32Array.from(numbers);
  if (dtype === "int32") return values instanceof Int32Array ? values : Int32Array.from(numbers);
  if (dtype === "bool") return values instanceof Uint8Array ? values : Uint8Array.from(numbers);
  return values as BigInt64Array;
}
