/** Captions of images as COCO distributes them, and what a text encoder makes of them, written once. */
import { open, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Part } from "../distributed/share.ts";
import { exists, readBytes, writeAtomic } from "../io/files.ts";
import { ndarray } from "../io/index.ts";
import { toBytes } from "../io/ndarray.ts";
import { npyHeader } from "../io/npy.ts";
import { check, z } from "../schema.ts";
import type { CLIPTextEncoder } from "../text/index.ts";
import { CAPTIONS_FILE, CAPTIONS_FORMAT, type CaptionsIndex } from "./captions.ts";
import { checkPositive } from "./crop.ts";
import { describeSource, type PrepareOptions, type PrepareResult, readJson } from "./destination.ts";
import { contentHash } from "./identity.ts";
import { type PartOptions, type Preparation, runPreparation } from "./preparation.ts";
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
  { encoder, shardSize, ...options }: PrepareCaptionsOptions,
): Promise<PrepareResult> {
  const opened = await openCaptioning(sourcePath, annotations, destination, { encoder, shardSize });
  return runPreparation(destination, opened, options);
}

/** What `prepareCaptions` does, in parts. */
export async function openCaptioning(
  sourcePath: string,
  annotations: string,
  destination: string,
  { encoder, shardSize }: Pick<PrepareCaptionsOptions, "encoder" | "shardSize">,
): Promise<Preparation> {
  const [tokens, width] = encoder.shape;
  const perFile = shardSize ?? Math.max(1, Math.floor(SHARD_BYTES / (4 * tokens * width)));
  checkPositive("shardSize", perFile);
  const source = await openSource(sourcePath);
  try {
    const json = await readJson(annotations);
    check(cocoCaptions as z.ZodType, json, annotations);
    const index = indexOf(captionsOf(source, json as z.infer<typeof cocoCaptions>, annotations), perFile);
    const { texts, features } = index;
    const indexPath = join(destination, CAPTIONS_FILE);
    /** The files of a part, each with the place of its first text. */
    const filesOf = ({ from, count }: Part) =>
      features.slice(from / perFile, Math.ceil((from + count) / perFile)).map((name, i) => {
        const first = from + i * perFile;
        return { path: join(destination, name), texts: texts.slice(first, first + perFile) };
      });
    return {
      source,
      description: {
        kind: "captions",
        ...describeSource(source),
        captions: contentHash([await readBytes(annotations)]),
        encoder: await encoder.fingerprint(),
        shardSize: perFile,
      },
      total: texts.length,
      cut: { unit: perFile, most: perFile },
      async make(part, { signal, onProgress }) {
        let [written, skipped] = [0, 0];
        // The index is written last.
        const open = (await exists(indexPath)) ? [] : filesOf(part);
        if (open.length === 0) skipped = part.count;
        for (const { path, texts } of open) {
          if (signal?.aborted) break;
          const begun = written + skipped;
          const [before, after] = await writeFeatures(path, texts, encoder, {
            signal,
            onProgress: (done) => onProgress?.(begun + done),
          });
          written += after - before;
          skipped += before;
        }
        return { written, skipped, broken: [], stopped: signal?.aborted ?? false };
      },
      async isDone(part) {
        for (const { path, texts } of filesOf(part))
          if ((await textsIn(path, texts.length, encoder)) < texts.length) return false;
        return true;
      },
      finish: () => writeAtomic(indexPath, `${JSON.stringify(index)}\n`),
      close: source.close,
    };
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** A file of the features of so many texts: its header, and the bytes of one text. */
const layoutOf = (count: number, { shape }: CLIPTextEncoder) => ({
  header: npyHeader("float32", [count, ...shape]),
  row: 4 * shape[0] * shape[1],
});

/** How many texts' features there are in a file for so many. A chunk that was being written is written again. */
async function textsIn(path: string, count: number, encoder: CLIPTextEncoder): Promise<number> {
  const { header, row } = layoutOf(count, encoder);
  const size = await stat(path).then(
    (info) => info.size,
    () => 0,
  );
  return Math.max(0, Math.floor((size - header.length) / row));
}

/** Appends the features of texts to those that are there. @returns how many texts were done before, and now */
async function writeFeatures(
  path: string,
  texts: readonly string[],
  encoder: CLIPTextEncoder,
  { signal, onProgress }: PartOptions,
): Promise<[before: number, after: number]> {
  const { header, row } = layoutOf(texts.length, encoder);
  const before = await textsIn(path, texts.length, encoder);
  const handle = await open(path, (await exists(path)) ? "r+" : "w+");
  try {
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
      onProgress?.(done);
    }
    return [before, done];
  } finally {
    await handle.close();
  }
}
