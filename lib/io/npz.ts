/** NumPy's .npz format: a ZIP archive of .npy files. */

import { unzipSync, zipSync } from "fflate";
import { readBytes, writePartsAtomic } from "./files.ts";
import type { NdArray } from "./ndarray.ts";
import { formatNpy, parseNpy } from "./npy.ts";

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
