/** Between arrays of files and tfjs tensors. */

import { type Tensor, tf } from "../tensor/tf.ts";
import { toFloat32 } from "./convert.ts";
import type { NdArray } from "./ndarray.ts";

/**
 * An array as a tensor of the same shape. Floats of every width become float32 (float64 is rounded), integers int32,
 * bool stays bool. The tensor may share the array's memory: do not change the array afterwards.
 * @throws on strings and on integers outside int32, naming the value.
 */
export function toTensor(array: NdArray): Tensor {
  const { shape } = array;
  switch (array.dtype) {
    case "float64":
    case "float32":
    case "float16":
    case "bfloat16":
    case "float8_e4m3fn":
    case "float8_e5m2":
      return tf.tensor(toFloat32(array), shape, "float32");
    case "bool":
      return tf.tensor(array.data, shape, "bool");
    case "int32":
      return tf.tensor(array.data, shape, "int32");
    case "int8":
    case "int16":
    case "uint8":
    case "uint16":
      return tf.tensor(Int32Array.from(array.data), shape, "int32");
    case "int64":
    case "uint64":
    case "uint32":
      return tf.tensor(toInt32(array.data), shape, "int32");
    case "string":
      throw new Error("An array of strings cannot become a tensor");
  }
}

function toInt32(data: BigInt64Array | BigUint64Array | Uint32Array): Int32Array {
  const result = new Int32Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const value = Number(data[i]);
    if (value < -(2 ** 31) || value >= 2 ** 31) {
      throw new Error(`An array with the value ${data[i]} cannot become a tensor: it does not fit int32`);
    }
    result[i] = value;
  }
  return result;
}

/**
 * Fetches a tensor's values: float32, int32 or bool, of the same shape. Does not dispose the tensor.
 * @throws on string and complex tensors.
 */
export async function fromTensor(tensor: Tensor): Promise<NdArray<"float32" | "int32" | "bool">> {
  const shape = [...tensor.shape];
  // Copied because the CPU backend hands out the tensor's own memory.
  switch (tensor.dtype) {
    case "float32":
      return { shape, dtype: "float32", data: Float32Array.from((await tensor.data()) as Float32Array) };
    case "int32":
      return { shape, dtype: "int32", data: Int32Array.from((await tensor.data()) as Int32Array) };
    case "bool":
      return { shape, dtype: "bool", data: Uint8Array.from((await tensor.data()) as Uint8Array) };
    default:
      throw new Error(`A tensor of type ${tensor.dtype} cannot become an array`);
  }
}

/**
 * `toTensor` for every array of a record.
 * @throws naming the array that cannot be converted; the tensors made before it are disposed.
 */
export function tensorsOf(arrays: Record<string, NdArray>): Record<string, Tensor> {
  const tensors: [string, Tensor][] = [];
  for (const [name, array] of Object.entries(arrays)) {
    try {
      tensors.push([name, toTensor(array)]);
    } catch (error) {
      for (const [, tensor] of tensors) tensor.dispose();
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`Array "${name}": ${reason}`, { cause: error });
    }
  }
  return Object.fromEntries(tensors);
}
