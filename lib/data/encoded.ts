/** What an encoder makes of every image, written once so that training need not encode. */
import { join } from "node:path";
import { exists } from "../io/files.ts";
import { formatNpy, type NdArray, writeAtomic } from "../io/index.ts";
import { decodeImage } from "./crop.ts";
import {
  type BrokenImage,
  claimDestination,
  describeSource,
  finishDestination,
  messageOf,
  numberedName,
  type PrepareOptions,
  type PrepareResult,
} from "./destination.ts";
import type { Pixels } from "./pillow-resize.ts";
import { openSource, type Source } from "./sources.ts";

export interface Encoding {
  /** What the folder holds, and by what it was made: a rerun must say the same. */
  readonly description: { readonly kind: string } & Readonly<Record<string, string | number>>;
  /** What the files' numbers follow, as in `img-mean-std-00000000.npy`. */
  readonly prefix: string;
  /** Images that are encoded together. */
  readonly batch: number;
  /** An array for each of some images, whose names errors may say. @throws naming the image that does not fit. */
  encode(images: readonly Pixels[], names: readonly string[]): Promise<NdArray<"float32">[]>;
}

/**
 * Encodes the images of a folder or ZIP archive into a .npy file each, `00000/<prefix>00000000.npy` and so on, with
 * `dataset.json`. The next images are read while some are encoded. Broken images and reruns are as in `prepareImages`.
 */
export async function prepareEncoded(
  sourcePath: string,
  destination: string,
  { description, prefix, batch, encode }: Encoding,
  { signal, onProgress }: PrepareOptions,
): Promise<PrepareResult> {
  const source = await openSource(sourcePath);
  try {
    const { files } = source;
    await claimDestination(destination, { ...description, ...describeSource(source) });
    const nameOf = (index: number): string => numberedName(prefix, index, "npy");
    const pending: number[] = [];
    for (let index = 0; index < files.length; index++)
      if (!(await exists(join(destination, nameOf(index))))) pending.push(index);
    const skipped = files.length - pending.length;
    const broken: BrokenImage[] = [];
    let written = 0;
    const read = (start: number) => readImages(source, pending.slice(start, start + batch));
    let next = read(0);
    for (let start = 0; start < pending.length; start += batch) {
      if (signal?.aborted) break;
      const images = await next;
      next = read(start + batch);
      const whole = images.filter((image): image is ReadImage => "pixels" in image);
      for (const image of images) if ("error" in image) broken.push(image);
      const arrays = await encode(
        whole.map(({ pixels }) => pixels),
        whole.map(({ name }) => `${source.path}: ${name}`),
      );
      for (const [i, array] of arrays.entries()) {
        const { index, name } = whole[i];
        if (!array.data.every(Number.isFinite))
          throw new Error(`What ${name} of ${source.path} is encoded as is not finite`);
        await writeAtomic(join(destination, nameOf(index)), formatNpy(array));
        written += 1;
      }
      onProgress?.(skipped + written + broken.length, files.length);
    }
    await next;
    return await finishDestination(destination, { source, nameOf, broken, written, skipped });
  } finally {
    await source.close();
  }
}

interface ReadImage {
  index: number;
  name: string;
  pixels: Pixels;
}

/** Some images, or why there are none. It never rejects, for it may be awaited late or never. */
const readImages = (source: Source, indices: readonly number[]): Promise<(ReadImage | BrokenImage)[]> =>
  Promise.all(
    indices.map(async (index) => {
      const { name } = source.files[index];
      try {
        return { index, name, pixels: await decodeImage(await source.read(name)) };
      } catch (error) {
        return { index, name, error: messageOf(error) };
      }
    }),
  );

/** A check that images have one size, whose sides are multiples of a factor. @throws naming the one that has another. */
export function sizeCheck(factor: number): (image: Pixels, name: string) => void {
  let first: { width: number; height: number; name: string } | undefined;
  return ({ width, height }, name) => {
    if (width % factor || height % factor)
      throw new Error(`${name} has ${width} x ${height} pixels, expected multiples of ${factor}`);
    first ??= { width, height, name };
    if (width !== first.width || height !== first.height)
      throw new Error(
        `${name} has ${width} x ${height} pixels, expected ${first.width} x ${first.height} as ${first.name} has`,
      );
  };
}
