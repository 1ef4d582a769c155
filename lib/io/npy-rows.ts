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
      async read(indices) {
        const length = elementCount(row);
        const values = new Float32Array(indices.length * length);
        const rows = await Promise.all(indices.map(readRow));
        rows.forEach((one, i) => {
          values.set(one, i * length);
        });
        return values;
      },
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}
