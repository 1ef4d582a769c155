/** What an encoder makes of every image, written once so that training need not encode. */
import { join } from "node:path";
import { exists } from "../io/files.ts";
import { formatNpy, type NdArray, writeAtomic } from "../io/index.ts";
import { decodeImage } from "./crop.ts";
import {
  type BrokenImage,
  describeSource,
  finishDestination,
  messageOf,
  numberedName,
} from "./destination.ts";
import type { Pixels } from "./pillow-resize.ts";
import { allExist, numbersOf, type Preparation } from "./preparation.ts";
import { openSource, type Source } from "./sources.ts";

export interface Encoding {
  /** What the folder holds, and by what it was made: a rerun must say the same. */
  readonly description: { readonly kind: string } & Readonly<Record<string, string | number>>;
  /** What the files' numbers follow, as in `img-mean-std-00000000.npy`. */
  readonly prefix: string;
  /** Images that are encoded together. */
  readonly batch: number;
  /** @throws naming the image where it does not fit the first one that was checked */
  check(image: Pixels, name: string): void;
  /** An array for each of some images, which fit. */
  encode(images: readonly Pixels[]): Promise<NdArray<"float32">[]>;
  dispose?(): Promise<void>;
}

/** Images that are encoded by one of several who share them, at most. */
const PART = 256;

/**
 * Encodes the images of a folder or ZIP archive into a .npy file each, `00000/<prefix>00000000.npy` and so on, with
 * `dataset.json`. The next images are read while some are encoded. Broken images and reruns are as in `prepareImages`.
 */
export async function openEncoded(
  sourcePath: string,
  destination: string,
  { description, prefix, batch, check, encode, dispose }: Encoding,
): Promise<Preparation> {
  const source = await openSource(sourcePath);
  const { files } = source;
  const nameOf = (index: number): string => numberedName(prefix, index, "npy");
  const pathOf = (index: number): string => join(destination, nameOf(index));
  const checkOne = ({ pixels, name }: ReadImage): void => check(pixels, `${source.path}: ${name}`);
  let isFirstSeen = false;
  /** All images are to fit the first one, also those of others. */
  async function seeFirst(): Promise<void> {
    for (let index = 0; index < files.length && !isFirstSeen; index++) {
      const [image] = await readImages(source, [index]);
      if (!("pixels" in image)) continue;
      checkOne(image);
      isFirstSeen = true;
    }
  }
  return {
    source,
    description: { ...description, ...describeSource(source) },
    total: files.length,
    cut: { unit: batch, most: PART },
    async make(part, { signal, onProgress }) {
      if (part.from > 0) await seeFirst();
      const pending: number[] = [];
      for (const index of numbersOf(part)) if (!(await exists(pathOf(index)))) pending.push(index);
      const skipped = part.count - pending.length;
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
        whole.forEach(checkOne);
        const arrays = whole.length > 0 ? await encode(whole.map(({ pixels }) => pixels)) : [];
        for (const [i, array] of arrays.entries()) {
          const { index, name } = whole[i];
          if (!array.data.every(Number.isFinite))
            throw new Error(`What ${name} of ${source.path} is encoded as is not finite`);
          await writeAtomic(pathOf(index), formatNpy(array));
          written += 1;
        }
        onProgress?.(skipped + written + broken.length);
      }
      await next;
      return { written, skipped, broken, stopped: signal?.aborted ?? false };
    },
    isDone: (part) => allExist(numbersOf(part).map(pathOf)),
    finish: (broken) => finishDestination(destination, source, nameOf, broken),
    async close() {
      await dispose?.();
      await source.close();
    },
  };
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
