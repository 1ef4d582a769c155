/** The IDX format of MNIST and its relatives: a magic number, big-endian sizes, the elements. */

import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { dtypeOfCode } from "../io/dtypes.ts";
import { readBytes } from "../io/files.ts";
import { bytesPerElement, elementCount, fromBytes, type NdArray, type NumericDType } from "../io/ndarray.ts";

/**
 * Reads an IDX file, gzipped or not (told by its content).
 * @throws naming the file when it is missing, damaged by compression, or not exactly one IDX array.
 */
export async function readIdx(path: string): Promise<NdArray<NumericDType>> {
  let bytes = await readBytes(path);
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    try {
      bytes = await promisify(gunzip)(bytes);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`${path} cannot be decompressed: ${reason}`, { cause: error });
    }
  }
  return parseIdx(bytes, path);
}

/**
 * Parses an IDX file. May share memory with `bytes`.
 * @param name what errors call the file
 * @throws naming the file on a wrong magic number, an unknown element type, truncation and trailing bytes.
 */
export function parseIdx(bytes: Uint8Array, name: string): NdArray<NumericDType> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 4)
    throw new Error(`${name} is truncated: it has ${bytes.length} bytes, expected at least 4`);
  const [zero1, zero2, code, rank] = bytes;
  if (zero1 !== 0 || zero2 !== 0) {
    const start = view.getUint32(0).toString(16).padStart(8, "0");
    throw new Error(`${name} is not an IDX file: it starts with 0x${start}, expected 0x0000....`);
  }
  const dtype = dtypeOfCode("idx", code);
  if (dtype === undefined) {
    throw new Error(`${name} has the unsupported IDX element type 0x${code.toString(16).padStart(2, "0")}`);
  }
  const start = 4 + 4 * rank;
  if (bytes.length < start) {
    throw new Error(`${name} is truncated: its header has ${start} bytes, got ${bytes.length}`);
  }
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const expected = elementCount(shape, name) * bytesPerElement(dtype);
  const data = bytes.subarray(start);
  if (data.length !== expected) {
    const problem = data.length < expected ? "is truncated" : "has trailing bytes";
    throw new Error(
      `${name} ${problem}: [${shape.join(", ")}] of ${dtype} has ${expected} bytes, got ${data.length}`,
    );
  }
  return fromBytes(data, shape, dtype, "BE");
}
