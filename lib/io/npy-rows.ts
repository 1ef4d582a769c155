/** The rows of a large .npy file, read where they lie: features of a million images do not fit into memory. */

import { toFloat32 } from "./convert.ts";
import { dtypeOfCode, UnsupportedType } from "./dtypes.ts";
import { openForReading, readExactly } from "./files.ts";
import { bytesPerElement, elementCount, fromBytes } from "./ndarray.ts";
import { parseNpyHeader } from "./npy.ts";

/** Arrays of one shape, numbered from 0. */
export interface ArrayRows {
  /** What errors call it. */
  readonly name: string;
  readonly count: number;
  /** Of one row. */
  readonly shape: readonly number[];
  /** Rows one after the other, as float32. */
  read(indices: readonly number[]): Promise<Float32Array>;
  close(): Promise<void>;
}

async function oneAfterTheOther(
  length: number,
  rows: readonly Promise<Float32Array>[],
): Promise<Float32Array> {
  const values = new Float32Array(rows.length * length);
  for (const [i, row] of (await Promise.all(rows)).entries()) values.set(row, i * length);
  return values;
}

/** An .npy header is far shorter than this. */
const HEADER_BYTES = 2 ** 16;

/**
 * Opens an .npy file [count, ...shape] of numbers in row-major order.
 * @throws naming the file where it is no such file, is Fortran-ordered, or ends early.
 */
export async function openNpyRows(path: string): Promise<ArrayRows> {
  const handle = await openForReading(path);
  try {
    const { size } = await handle.stat();
    const start = await readExactly(handle, path, 0, Math.min(size, HEADER_BYTES));
    const { descr, fortranOrder, shape, dataOffset } = parseNpyHeader(start, path);
    const [, order, code] = /^([<>|=])([A-Za-z]\d+)$/.exec(descr) ?? [];
    const dtype = dtypeOfCode("numpy", code ?? "");
    if (dtype === undefined) throw new UnsupportedType(`${path} holds ${descr}, expected numbers`);
    if (fortranOrder || shape.length < 2)
      throw new Error(
        `${path} must hold an array [images, ...] in row-major order, got ${fortranOrder ? "Fortran order" : `[${shape}]`}`,
      );
    const [count, ...row] = shape;
    const rowBytes = elementCount(row, path) * bytesPerElement(dtype);
    if (size !== dataOffset + count * rowBytes)
      throw new Error(
        `${path} has ${size} bytes, expected ${dataOffset + count * rowBytes} for [${shape}] of ${descr}`,
      );
    const readRow = async (index: number): Promise<Float32Array> => {
      const bytes = await readExactly(handle, path, dataOffset + index * rowBytes, rowBytes);
      return toFloat32(fromBytes(bytes, row, dtype, order === ">" ? "BE" : "LE"));
    };
    return {
      name: path,
      count,
      shape: row,
      read: (indices) => oneAfterTheOther(elementCount(row), indices.map(readRow)),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * Several as one, the first's rows before the second's. Closing it closes them.
 * @throws naming the first whose rows have another shape.
 */
export function joinedRows(name: string, parts: readonly ArrayRows[]): ArrayRows {
  const { shape } = parts[0];
  const other = parts.find((part) => `${part.shape}` !== `${shape}`);
  if (other)
    throw new Error(`${other.name} has rows of [${other.shape}], expected [${shape}] as ${parts[0].name}`);
  let count = 0;
  const ends = parts.map((part) => {
    count += part.count;
    return count;
  });
  const length = elementCount(shape);
  const readRow = (index: number): Promise<Float32Array> => {
    const part = ends.findIndex((end) => index < end);
    return parts[part].read([index - (ends[part] - parts[part].count)]);
  };
  return {
    name,
    count,
    shape,
    read: (indices) => oneAfterTheOther(length, indices.map(readRow)),
    async close() {
      for (const part of parts) await part.close();
    },
  };
}

/** Opens .npy files whose rows are one list. @throws as `openNpyRows` and `joinedRows` do. */
export async function openNpyFiles(name: string, paths: readonly string[]): Promise<ArrayRows> {
  const parts: ArrayRows[] = [];
  try {
    for (const path of paths) parts.push(await openNpyRows(path));
    return joinedRows(name, parts);
  } catch (error) {
    for (const part of parts) await part.close();
    throw error;
  }
}
