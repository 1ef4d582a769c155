/** NumPy's .npz format: a ZIP archive of .npy files. */

import { Readable } from "node:stream";
import { unzipSync, zipSync } from "fflate";
import { ZipFile } from "yazl";
import { readBytes, writePartsAtomic, writeStreamAtomic } from "./files.ts";
import { bytesPerElement, elementCount, type NdArray, type NumericDType, toBytes } from "./ndarray.ts";
import { formatNpy, npyHeader, parseNpy } from "./npy.ts";

/**
 * Reads an .npz archive, stored or deflated.
 * @param options.keys reads only these arrays, all by default
 * @returns key (without `.npy`) -> array, in the order of the archive; other files in it are ignored
 * @throws naming the file when it is missing, no complete ZIP archive, lacks one of `keys`, or when an array in it
 * cannot be parsed.
 */
export async function readNpz(
  path: string,
  options: { keys?: readonly string[] } = {},
): Promise<Record<string, NdArray>> {
  const { keys } = options;
  const bytes = await readBytes(path);
  let files: Record<string, Uint8Array>;
  try {
    files = unzipSync(bytes, {
      filter: ({ name }) => name.endsWith(".npy") && (keys === undefined || keys.includes(name.slice(0, -4))),
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${path} is not a complete .npz archive: ${reason}`, { cause: error });
  }
  const missing = keys?.find((key) => !Object.hasOwn(files, `${key}.npy`));
  if (missing !== undefined) throw new Error(`${path} has no array "${missing}"`);
  return Object.fromEntries(
    Object.entries(files).map(([file, content]) => {
      const key = file.slice(0, -4);
      return [key, parseNpy(content, `Array "${key}" of ${path}`)];
    }),
  );
}

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
  const archive = zipSync(Object.fromEntries(files), { level: options.compress ? 6 : 0 });
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
      zip.addReadStream(source, `${key}.npy`, { compress: false, size: header.length + size });
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
