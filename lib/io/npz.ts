/** NumPy's .npz format: a ZIP archive of .npy files. */

import { Readable } from "node:stream";
import { unzipSync, zipSync } from "fflate";
import { ZipFile } from "yazl";
import { readBytes, writePartsAtomic, writeStreamAtomic } from "./files.ts";
import { bytesPerElement, elementCount, type NdArray, type NumericDType } from "./ndarray.ts";
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

/**
 * Writes an .npz archive of one array whose elements come in pieces, of any size, as `writeNpz` does.
 * @param pieces the elements in order, little-endian
 * @throws when the pieces are fewer or more bytes than the shape has.
 */
export async function writeNpzStream(
  path: string,
  key: string,
  { dtype, shape }: { dtype: NumericDType; shape: readonly number[] },
  pieces: AsyncIterable<Uint8Array>,
): Promise<void> {
  const header = npyHeader(dtype, shape);
  const expected = elementCount(shape) * bytesPerElement(dtype);
  async function* content(): AsyncGenerator<Uint8Array> {
    yield header;
    let bytes = 0;
    for await (const piece of pieces) {
      bytes += piece.length;
      yield piece;
    }
    if (bytes !== expected)
      throw new Error(`Cannot write ${path}: ${bytes} bytes came, expected ${expected}`);
  }
  await writeStreamAtomic(path, () => {
    const zip = new ZipFile();
    const output = zip.outputStream as Readable;
    const source = Readable.from(content());
    const fail = (error: Error): unknown => output.destroy(error);
    zip.on("error", fail);
    source.on("error", fail);
    zip.addReadStream(source, `${key}.npy`, { compress: false, size: header.length + expected });
    zip.end();
    return output;
  });
}
