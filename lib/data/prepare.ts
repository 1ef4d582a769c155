/** Images of any size as square PNGs in the layout that the reference's tools write. */
import { join } from "node:path";
import pMap from "p-map";
import Tinypool from "tinypool";
import { exists, writeAtomic } from "../io/files.ts";
import { defaultThreads } from "../jit/jit.ts";
import { type CropResult, type CropTask, checkPositive } from "./crop.ts";
import {
  type BrokenImage,
  describeSource,
  finishDestination,
  messageOf,
  numberedName,
  type PrepareOptions,
  type PrepareResult,
} from "./destination.ts";
import { allExist, numbersOf, type Preparation, runPreparation } from "./preparation.ts";
import { openSource, type Source } from "./sources.ts";

export interface PrepareImagesOptions extends PrepareOptions {
  /** Side of the images in pixels, 256 or 512 as a rule. */
  size: number;
  /** Threads; by default `DITLAB_THREADS`, or the number of processors. */
  threads?: number;
}

/** Images that are cropped by one of several who share them, at most. */
const PART = 1024;

/**
 * Crops the images of a folder or ZIP archive (see `openSource`) to `size` x `size` (see `centerCrop`) and writes them
 * as `00000/img00000000.png` and so on, numbered by their place in the source, with `dataset.json`. Images that cannot
 * be decoded leave a hole in the numbers and are listed in `broken.json`. A rerun goes on where the last one stopped.
 * @throws as `openSource` does; when the destination holds another source or size; when every image is broken.
 */
export async function prepareImages(
  sourcePath: string,
  destination: string,
  { size, threads, ...options }: PrepareImagesOptions,
): Promise<PrepareResult> {
  return runPreparation(destination, await openImages(sourcePath, destination, { size, threads }), options);
}

/** What `prepareImages` does, in parts. */
export async function openImages(
  sourcePath: string,
  destination: string,
  { size, threads = defaultThreads() }: Pick<PrepareImagesOptions, "size" | "threads">,
): Promise<Preparation> {
  checkPositive("size", size);
  checkPositive("threads", threads);
  const source = await openSource(sourcePath);
  const workers = cropWorkers(threads);
  const { files } = source;
  const nameOf = (index: number): string => numberedName("img", index, "png");
  const pathOf = (index: number): string => join(destination, nameOf(index));
  return {
    source,
    description: { kind: "images", ...describeSource(source), size },
    total: files.length,
    cut: { most: PART },
    async make(part, { signal, onProgress }) {
      const broken: BrokenImage[] = [];
      let [written, skipped] = [0, 0];
      const prepareOne = async (index: number): Promise<void> => {
        if (signal?.aborted) return;
        if (await exists(pathOf(index))) skipped += 1;
        else {
          const { name } = files[index];
          const result = await cropped(source, name, size, workers);
          if ("error" in result) broken.push({ index, name, error: result.error });
          else {
            await writeAtomic(pathOf(index), result.png);
            written += 1;
          }
        }
        onProgress?.(written + skipped + broken.length);
      };
      // One image more than threads is read while they work, and written after.
      await pMap(numbersOf(part), prepareOne, { concurrency: 2 * threads });
      return { written, skipped, broken, stopped: signal?.aborted ?? false };
    },
    isDone: (part) => allExist(numbersOf(part).map(pathOf)),
    finish: (broken) => finishDestination(destination, source, nameOf, broken),
    async close() {
      await workers.destroy();
      await source.close();
    },
  };
}

/** A script that knows the sources and the build; in a package it lies outside of the build. */
const workerScript = import.meta.url.endsWith(".ts") ? "crop-worker.js" : "../../../lib/data/crop-worker.js";

const cropWorkers = (threads: number): Tinypool =>
  new Tinypool({
    filename: new URL(workerScript, import.meta.url).href,
    // What this process was started with is not for its threads.
    execArgv: [],
    minThreads: 0,
    maxThreads: threads,
  });

async function cropped(source: Source, name: string, size: number, workers: Tinypool): Promise<CropResult> {
  let bytes: Uint8Array;
  try {
    bytes = await source.read(name);
  } catch (error) {
    return { error: messageOf(error) };
  }
  return workers.run({ bytes, size } satisfies CropTask, { transferList: [bytes.buffer as ArrayBuffer] });
}
