/** NumPy's .npz format: a ZIP archive of .npy files. */

import { Readable } from "node:stream";
import { zipSync } from "fflate";
import { ZipFile } from "yazl";
import { addArray } from "./dtypes.ts";
import { writePartsAtomic, writeStreamAtomic } from "./files.ts";
import { bytesPerElement, elementCount, type NdArray, type NumericDType, toBytes } from "./ndarray.ts";
import { formatNpy, npyHeader, parseNpy } from "./npy.ts";
import { openZip } from "./zip.ts";

/**
 * Reads an .npz archive, stored or deflated.
 * @param options.keys reads only these arrays, all by default
 * @returns key (without `.npy`) -> array, in the order of the archive; other files in it are ignored. An array of a type
 * that is not read (objects, records, complex numbers, dates) throws when it is asked for; those beside it are read.
 * @throws naming the file when it is missing, no complete ZIP archive, damaged, lacks one of `keys`, or when an array in
 * it cannot be parsed.
 */
export async function readNpz(
  path: string,
  options: { keys?: readonly string[] } = {},
): Promise<Record<string, NdArray>> {
  const zip = await openZip(path, "a complete .npz archive");
  try {
    const all = [...zip.sizes.keys()].filter((name) => name.endsWith(".npy"));
    const missing = options.keys?.find((key) => !zip.sizes.has(`${key}.npy`));
    if (missing !== undefined) throw new Error(`${path} has no array "${missing}"`);
    const arrays: Record<string, NdArray> = {};
    for (const file of all) {
      const key = file.slice(0, -4);
      if (options.keys && !options.keys.includes(key)) continue;
      const bytes = await zip.read(file);
      const read = (): NdArray => parseNpy(bytes, `Array "${key}" of ${path}`);
      // Those that are named are asked for.
      addArray(arrays, key, read);
      if (options.keys) void arrays[key];
    }
    return arrays;
  } finally {
    await zip.close();
  }
}

/** What NumPy writes, too: the same arrays are the same bytes, whenever they are written. */
const NO_TIME = new Date(1980, 0, 1);

/**
 * Writes an .npz archive that `numpy.load` reads, under a temporary name, then renamed.
 * @param options.compress deflates the arrays (`numpy.savez_compressed`); stored by default
 * @throws on arrays NumPy has no type for, and beyond 4 GiB, the limit of ZIP archives without extensions.
 */
export async function writeNpz(
  path: string,
  arrays: Record<string, NdArray>,
  options: { compress?: boolean } = {},
): Promise<void> {
  const files = Object.entries(arrays).map(([key, array]) => [`${key}.npy`, formatNpy(array)] as const);
  const total = files.reduce((sum, [, content]) => sum + content.length, 0);
  if (total > 0xfff00000)
    throw new Error(`Cannot write ${path}: an .npz archive of ${total} bytes exceeds 4 GiB`);
  const archive = zipSync(Object.fromEntries(files), { level: options.compress ? 6 : 0, mtime: NO_TIME });
  await writePartsAtomic(path, [archive]);
}

/** An array whose elements come in pieces, in order, little-endian. */
export interface StreamedArray {
  dtype: NumericDType;
  shape: readonly number[];
  pieces: AsyncIterable<Uint8Array>;
}

/**
 * Writes an .npz archive of any size, as `writeNpz` does: arrays in memory, and such as come in pieces.
 * @throws when the pieces are fewer or more bytes than the shape has.
 */
export async function writeNpzStream(
  path: string,
  arrays: Record<string, NdArray<NumericDType> | StreamedArray>,
): Promise<void> {
  await writeStreamAtomic(path, () => {
    const zip = new ZipFile();
    const output = zip.outputStream as Readable;
    const fail = (error: Error): unknown => output.destroy(error);
    zip.on("error", fail);
    for (const [key, array] of Object.entries(arrays)) {
      const { dtype, shape } = array;
      const header = npyHeader(dtype, shape);
      const size = elementCount(shape) * bytesPerElement(dtype);
      const pieces = "pieces" in array ? array.pieces : [toBytes(array)];
      const source = Readable.from(arrayFile(header, pieces, size, path));
      source.on("error", fail);
      zip.addReadStream(source, `${key}.npy`, {
        ...{ compress: false, size: header.length + size },
        ...{ mtime: NO_TIME, forceDosTimestamp: true },
      });
    }
    zip.end();
    return output;
  });
}

async function* arrayFile(
  header: Uint8Array,
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  size: number,
  path: string,
): AsyncGenerator<Uint8Array> {
  yield header;
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += piece.length;
    yield piece;
  }
  if (bytes !== size) throw new Error(`Cannot write ${path}: ${bytes} bytes came, expected ${size}`);
}
