/** Captions of images as COCO distributes them, and what a text encoder makes of them, written once. */
import { open } from "node:fs/promises";
import { basename, join } from "node:path";
import { exists, readBytes, writeAtomic } from "../io/files.ts";
import { ndarray } from "../io/index.ts";
import { toBytes } from "../io/ndarray.ts";
import { npyHeader } from "../io/npy.ts";
import { check, z } from "../schema.ts";
import type { CLIPTextEncoder } from "../text/index.ts";
import { CAPTIONS_FILE, CAPTIONS_FORMAT, type CaptionsIndex } from "./captions.ts";
import { checkPositive } from "./crop.ts";
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
  /** Texts whose features make one file; as many as make 256 MiB by default. */
  shardSize?: number;
}

/** Texts whose features are written at a time. */
const CHUNK = 64;
/** A file's size unless another number of texts is asked for: the features of COCO's captions are 98 GB. */
const SHARD_BYTES = 2 ** 28;

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

/** All texts, the empty one first, and those of each image by number; features in files of so many texts. */
function indexOf(captions: readonly string[][], shardSize: number): Required<CaptionsIndex> {
  const texts = ["", ...captions.flat()];
  let next = 1;
  const images = captions.map((own) => own.map(() => next++));
  const features = Array.from(
    { length: Math.ceil(texts.length / shardSize) },
    (_, i) => `features-${String(i).padStart(5, "0")}.npy`,
  );
  return { format: CAPTIONS_FORMAT, texts, images, features };
}

/**
 * Encodes the captions of a folder's or ZIP archive's images, the empty one first, and writes `features-00000.npy`
 * [texts, tokens, width] as float32 and so on, and `captions.json`, once all is there. The images are in the order of their names,
 * which `prepareImages` keeps. A rerun goes on where the last one stopped.
 * @param annotations COCO's `captions_*.json`, which may tell of more images
 * @throws naming the image that has no caption, what in the annotations is wrong, and what differs when the destination
 * holds something else.
 */
export async function prepareCaptions(
  sourcePath: string,
  annotations: string,
  destination: string,
  { encoder, shardSize, signal, onProgress }: PrepareCaptionsOptions,
): Promise<PrepareResult> {
  const [tokens, width] = encoder.shape;
  const perFile = shardSize ?? Math.max(1, Math.floor(SHARD_BYTES / (4 * tokens * width)));
  checkPositive("shardSize", perFile);
  const source = await openSource(sourcePath);
  try {
    const json = await readJson(annotations);
    check(cocoCaptions as z.ZodType, json, annotations);
    const index = indexOf(captionsOf(source, json as z.infer<typeof cocoCaptions>, annotations), perFile);
    const { texts, features } = index;
    await claimDestination(destination, {
      kind: "captions",
      ...describeSource(source),
      captions: contentHash([await readBytes(annotations)]),
      encoder: await encoder.fingerprint(),
      shardSize: perFile,
    });
    const finishedBefore = await exists(join(destination, CAPTIONS_FILE));
    let [written, skipped] = [0, finishedBefore ? texts.length : 0];
    if (!finishedBefore)
      for (const [i, name] of features.entries()) {
        if (signal?.aborted) break;
        const [before, after] = await writeFeatures(
          join(destination, name),
          texts.slice(i * perFile, (i + 1) * perFile),
          encoder,
          { signal, onProgress: (done) => onProgress?.(i * perFile + done, texts.length) },
        );
        written += after - before;
        skipped += before;
      }
    const finished = written + skipped === texts.length;
    if (finished && !finishedBefore)
      await writeAtomic(join(destination, CAPTIONS_FILE), `${JSON.stringify(index)}\n`);
    return {
      count: texts.length,
      written,
      skipped,
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
