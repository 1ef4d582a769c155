/** Captions of images as COCO distributes them, and what a text encoder makes of them, written once. */
import { open } from "node:fs/promises";
import { basename, join } from "node:path";
import { exists, readBytes, writeAtomic } from "../io/files.ts";
import { ndarray } from "../io/index.ts";
import { toBytes } from "../io/ndarray.ts";
import { npyHeader } from "../io/npy.ts";
import { check, z } from "../schema.ts";
import type { CLIPTextEncoder } from "../text/index.ts";
import { CAPTIONS_FILE, CAPTIONS_FORMAT, type CaptionsIndex, FEATURES_FILE } from "./captions.ts";
import {
  claimDestination,
  describeSource,
  type PrepareOptions,
  type PrepareResult,
  readJson,
} from "./destination.ts";
import { contentHash } from "./identity.ts";
import { openSource, type Source } from "./sources.ts";

export interface PrepareCaptionsOptions extends PrepareOptions {
  /** From `openTextEncoder`. */
  encoder: CLIPTextEncoder;
}

/** Texts whose features are written at a time. */
const CHUNK = 64;

/** What is read of COCO's `captions_*.json`. */
const cocoCaptions = z.looseObject({
  images: z.array(z.looseObject({ id: z.int("an integer"), file_name: z.string("a name") }), "a list"),
  annotations: z.array(
    z.looseObject({
      id: z.int("an integer"),
      image_id: z.int("an integer"),
      caption: z.string("a text"),
    }),
    "a list",
  ),
});

/** The captions of each image of a source, in the order of the source, by the images' file names. */
function captionsOf(source: Source, json: z.infer<typeof cocoCaptions>, path: string): string[][] {
  const byImage = new Map<number, string[]>();
  for (const { image_id, caption } of json.annotations.toSorted((a, b) => a.id - b.id))
    byImage.set(image_id, [...(byImage.get(image_id) ?? []), caption.trim()]);
  const ids = new Map(json.images.map(({ id, file_name }) => [file_name, id]));
  return source.files.map(({ name }) => {
    const captions = byImage.get(ids.get(basename(name)) ?? Number.NaN);
    if (!captions) throw new Error(`${path} has no caption of ${name} of ${source.path}`);
    return captions;
  });
}

/** All texts, the empty one first, and those of each image by number. */
function indexOf(captions: readonly string[][]): CaptionsIndex {
  const texts = ["", ...captions.flat()];
  let next = 1;
  const images = captions.map((own) => own.map(() => next++));
  return { format: CAPTIONS_FORMAT, texts, images };
}

/**
 * Encodes the captions of a folder's or ZIP archive's images, the empty one first, and writes `features.npy`
 * [texts, tokens, width] as float32, and `captions.json`, once all is there. The images are in the order of their names,
 * which `prepareImages` keeps. A rerun goes on where the last one stopped.
 * @param annotations COCO's `captions_*.json`, which may tell of more images
 * @throws naming the image that has no caption, what in the annotations is wrong, and what differs when the destination
 * holds something else.
 */
export async function prepareCaptions(
  sourcePath: string,
  annotations: string,
  destination: string,
  { encoder, signal, onProgress }: PrepareCaptionsOptions,
): Promise<PrepareResult> {
  const source = await openSource(sourcePath);
  try {
    const json = await readJson(annotations);
    check(cocoCaptions as z.ZodType, json, annotations);
    const index = indexOf(captionsOf(source, json as z.infer<typeof cocoCaptions>, annotations));
    const { texts } = index;
    await claimDestination(destination, {
      kind: "captions",
      ...describeSource(source),
      captions: contentHash([await readBytes(annotations)]),
      encoder: await encoder.fingerprint(),
    });
    const finishedBefore = await exists(join(destination, CAPTIONS_FILE));
    const [before, after] = finishedBefore
      ? [texts.length, texts.length]
      : await writeFeatures(join(destination, FEATURES_FILE), texts, encoder, { signal, onProgress });
    const finished = after === texts.length;
    if (finished && !finishedBefore)
      await writeAtomic(join(destination, CAPTIONS_FILE), `${JSON.stringify(index)}\n`);
    return {
      count: texts.length,
      written: after - before,
      skipped: before,
      broken: [],
      others: source.others,
      finished,
    };
  } finally {
    await source.close();
  }
}

/** Appends the features of texts to those that are there. @returns how many texts were done before, and now */
async function writeFeatures(
  path: string,
  texts: readonly string[],
  encoder: CLIPTextEncoder,
  { signal, onProgress }: PrepareOptions,
): Promise<[before: number, after: number]> {
  const header = npyHeader("float32", [texts.length, ...encoder.shape]);
  const row = 4 * encoder.shape[0] * encoder.shape[1];
  const handle = await open(path, (await exists(path)) ? "r+" : "w+");
  try {
    const { size } = await handle.stat();
    // A chunk that was being written is written again.
    const before = Math.max(0, Math.floor((size - header.length) / row));
    await handle.write(header, 0, header.length, 0);
    let done = before;
    while (done < texts.length && !signal?.aborted) {
      const chunk = texts.slice(done, done + CHUNK);
      const values = await encoder.encode(chunk);
      if (!values.every(Number.isFinite))
        throw new Error(`the features of a text are not finite, one from ${JSON.stringify(chunk[0])} on`);
      const bytes = toBytes(ndarray(values as Float32Array<ArrayBuffer>, [chunk.length, ...encoder.shape]));
      await handle.write(bytes, 0, bytes.length, header.length + done * row);
      done += chunk.length;
      onProgress?.(done, texts.length);
    }
    return [before, done];
  } finally {
    await handle.close();
  }
}
