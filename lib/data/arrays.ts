/** Further arrays of every image, such as an encoder's features or a caption's tokens, beside the image and its label. */
import { stat } from "node:fs/promises";
import { elementCount, type NdArray, parseNpy, toFloat32 } from "../io/index.ts";
import { type ArrayRows, openNpyRows } from "../io/npy-rows.ts";
import { checkFinished } from "./destination.ts";
import type { TrainingData } from "./examples.ts";
import { contentHash, spread } from "./identity.ts";
import { openSource } from "./sources.ts";

/** Arrays in memory, [count, ...shape] float32. */
export function arrayRows(name: string, { data, shape }: NdArray<"float32">): ArrayRows {
  const [count, ...row] = shape;
  const length = data.length / count;
  return {
    name,
    count,
    shape: row,
    async read(indices) {
      const values = new Float32Array(indices.length * length);
      for (const [n, i] of indices.entries())
        values.set(data.subarray(i * length, (i + 1) * length), n * length);
      return values;
    },
    async close() {},
  };
}

/** Opens a folder of .npy files, one for each image, as `prepareFeatures` makes it; in the order of their names. */
async function openFolderRows(path: string): Promise<ArrayRows> {
  await checkFinished(path);
  const source = await openSource(path, /\.npy$/i);
  const read = async (index: number): Promise<NdArray> => {
    const { name } = source.files[index];
    return parseNpy(await source.read(name), `${path}: ${name}`);
  };
  const shape = [...(await read(0)).shape];
  return {
    name: path,
    count: source.files.length,
    shape,
    async read(indices) {
      const length = elementCount(shape);
      const values = new Float32Array(indices.length * length);
      for (const [n, index] of indices.entries()) {
        const array = await read(index);
        if (`${array.shape}` !== `${shape}`)
          throw new Error(
            `${source.files[index].name} of ${path} is [${array.shape}], expected [${shape}] as ${source.files[0].name}`,
          );
        values.set(toFloat32(array), n * length);
      }
      return values;
    },
    close: () => source.close(),
  };
}

const isFolder = async (path: string): Promise<boolean> =>
  stat(path).then(
    (info) => info.isDirectory(),
    () => false,
  );

/**
 * Opens .npy files, or folders of one for each image, by the names that their arrays are to have.
 * @throws naming the file that cannot be read.
 */
export async function openArrays(
  paths: Readonly<Record<string, string>>,
): Promise<Record<string, ArrayRows>> {
  const opened: Record<string, ArrayRows> = {};
  try {
    for (const [name, path] of Object.entries(paths))
      opened[name] = (await isFolder(path)) ? await openFolderRows(path) : await openNpyRows(path);
    return opened;
  } catch (error) {
    await closeArrays(opened);
    throw error;
  }
}

export const closeArrays = async (arrays: Readonly<Record<string, ArrayRows>>): Promise<void> => {
  for (const rows of Object.values(arrays)) await rows.close();
};

/** @throws where an array has not one row for each image. */
export function checkRows(arrays: Readonly<Record<string, ArrayRows>>, images: string, count: number): void {
  for (const [name, rows] of Object.entries(arrays))
    if (rows.count !== count)
      throw new Error(
        `the array '${name}' (${rows.name}) has ${rows.count} rows, expected one for each of the ${count} images of ${images}`,
      );
}

/** Bytes of an array that stand for its content: all of a small one, evenly spread rows of a large one. */
const SAMPLED = 2 ** 24;

/** A short name for the content of each array. */
export async function contentOfArrays(
  arrays: Readonly<Record<string, ArrayRows>>,
): Promise<Record<string, string>> {
  const contents: Record<string, string> = {};
  for (const [name, rows] of Object.entries(arrays)) {
    const rowBytes = 4 * rows.shape.reduce((product, n) => product * n, 1);
    const sampled = Math.max(16, Math.floor(SAMPLED / Math.max(1, rowBytes)));
    const values = await rows.read(spread(rows.count, sampled));
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    contents[name] = contentHash([name, `${rows.count} ${rows.shape}`, bytes]);
  }
  return contents;
}

/**
 * Training data with further arrays, whose row i belongs to image i in the data's own order: of image sets as they are, of
 * files, and of shards that were packed of them, that of their names. Closing the data closes them.
 * @throws where an array has not one row for each image, where the data have one of its name, and where nobody knows
 * which image an example is.
 */
export function withArrays(data: TrainingData, arrays: Readonly<Record<string, ArrayRows>>): TrainingData {
  if (Object.keys(arrays).length === 0) return data;
  for (const [name, rows] of Object.entries(arrays)) {
    if (data.arrays && Object.hasOwn(data.arrays, name))
      throw new Error(
        `${data.name} have an array '${name}' already, got another (${rows.name}); expected another name`,
      );
    if (data.unnumbered)
      throw new Error(`the array '${name}' (${rows.name}) does not go with ${data.name}: ${data.unnumbered}`);
  }
  checkRows(arrays, data.name, data.count);
  const shapes = Object.fromEntries(Object.entries(arrays).map(([name, { shape }]) => [name, shape]));
  return {
    ...data,
    arrays: { ...data.arrays, ...shapes },
    async read(seed, position, count, streams) {
      const examples = await data.read(seed, position, count, streams);
      const read: Record<string, Float32Array> = { ...examples.arrays };
      for (const [name, rows] of Object.entries(arrays)) read[name] = await rows.read(examples.indices);
      return { ...examples, arrays: read };
    },
    fingerprint: async () =>
      contentHash([(await data.fingerprint?.()) ?? "", ...Object.values(await contentOfArrays(arrays))]),
    async close() {
      await closeArrays(arrays);
      await data.close();
    },
  };
}
