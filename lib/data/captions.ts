/**
 * Captions beside images: a folder with `captions.json`, the texts and which of them are of which image, and what a text
 * encoder makes of each, in one `.npy` file or in shards. An image may have several, of which training takes one at
 * random.
 */
import { join } from "node:path";
import { ndarray } from "../io/index.ts";
import { type ArrayRows, openNpyFiles } from "../io/npy-rows.ts";
import { check, z } from "../schema.ts";
import { randomStream } from "../tensor/random.ts";
import type { CLIPTextEncoder } from "../text/index.ts";
import { arrayRows, contentOfArrays } from "./arrays.ts";
import { readJson } from "./destination.ts";
import type { TrainingData } from "./examples.ts";
import { contentHash } from "./identity.ts";

export const CAPTIONS_FORMAT = "ditlab-captions-1";
/** The files of a folder of captions. */
export const CAPTIONS_FILE = "captions.json";
/** Where the index names no files of features. */
export const FEATURES_FILE = "features.npy";

/** The array of the data that holds a caption's features, as text-to-image networks ask for it. */
export const CAPTIONS = "captions";

const captionsIndex = z.strictObject({
  format: z.literal(CAPTIONS_FORMAT, CAPTIONS_FORMAT),
  texts: z.array(z.string("a text"), "a list of texts").describe("Number 0 is the empty caption."),
  images: z
    .array(z.array(z.int("a text's number").min(1, "a text's number"), "a list of texts' numbers"), "a list")
    .describe("The texts of each image, by number, for the images in the order of their names."),
  features: z
    .array(
      z.string("a file's name").regex(/^[\w-]+\.npy$/, "the name of a .npy file beside the index"),
      "a list",
    )
    .min(1, "at least one file")
    .optional()
    .describe(
      `The files of the texts' features, whose rows are the texts in turn; \`${FEATURES_FILE}\` where none is named.`,
    ),
});
export type CaptionsIndex = z.infer<typeof captionsIndex>;

export interface Captions extends Pick<CaptionsIndex, "texts" | "images"> {
  /** What errors call them. */
  readonly name: string;
  /** Features of each text, [tokens, width]. */
  readonly features: ArrayRows;
  /** Those of the empty caption. */
  readonly empty: Float32Array;
}

/** Throws unless every image has captions, all of which have features. */
export async function checkedCaptions(
  name: string,
  index: CaptionsIndex,
  features: ArrayRows,
): Promise<Captions> {
  const { texts, images } = index;
  if (texts[0] !== "")
    throw new Error(`text 0 of ${name} must be the empty caption, got ${JSON.stringify(texts[0])}`);
  if (features.count !== texts.length || features.shape.length !== 2)
    throw new Error(
      `${features.name} must hold the features of ${texts.length} texts, [${texts.length}, tokens, width], got [${[features.count, ...features.shape]}]`,
    );
  const none = images.findIndex((numbers) => numbers.length === 0);
  if (none >= 0) throw new Error(`image ${none} of ${name} has no caption; expected at least one`);
  const most = images.reduce((most, numbers) => Math.max(most, ...numbers), 0);
  if (most >= texts.length)
    throw new Error(`an image of ${name} has the text ${most}; there are ${texts.length}, the first is 0`);
  return { name, texts, images, features, empty: await features.read([0]) };
}

/** What a folder of captions says in words, without its features. @throws naming the file that is missing or unfit. */
export async function readCaptionsIndex(folder: string): Promise<CaptionsIndex> {
  const path = join(folder, CAPTIONS_FILE);
  const index = await readJson(path);
  check(captionsIndex, index, path);
  return index as CaptionsIndex;
}

/** Opens a folder of captions. @throws naming the file that is missing or unfit. */
export async function openCaptions(folder: string): Promise<Captions> {
  const index = await readCaptionsIndex(folder);
  const files = (index.features ?? [FEATURES_FILE]).map((name) => join(folder, name));
  const name = files.length === 1 ? files[0] : `${files.length} files from ${files[0]} on`;
  const features = await openNpyFiles(name, files);
  try {
    return await checkedCaptions(join(folder, CAPTIONS_FILE), index, features);
  } catch (error) {
    await features.close();
    throw error;
  }
}

/** Texts as captions, one for each image; `encoder` makes their features, and those of the empty caption. */
export async function captionsOfTexts(
  texts: readonly string[],
  encoder: Pick<CLIPTextEncoder, "shape" | "encode">,
): Promise<Captions> {
  const all = ["", ...texts];
  const values = (await encoder.encode(all)) as Float32Array<ArrayBuffer>;
  return checkedCaptions(
    "the list of texts",
    { format: CAPTIONS_FORMAT, texts: all, images: texts.map((_, i) => [i + 1]) },
    arrayRows("their features", ndarray(values, [all.length, ...encoder.shape])),
  );
}

/** The features of each image's first caption, [images.length, tokens, width]: what an evaluation draws by. */
export const firstCaptions = (
  { images, features }: Captions,
  chosen: readonly number[],
): Promise<Float32Array> => features.read(chosen.map((image) => images[image][0]));

/**
 * Training data with captions: the array `captions` of an example is the features of one of its image's captions, drawn
 * anew each time. Image i in the data's own order has those of image i. Closing the data closes them.
 * @throws where there are not captions for each image, and where nobody knows which image an example is.
 */
export function withCaptions(data: TrainingData, captions: Captions): TrainingData {
  const { name, images, features, empty } = captions;
  if (data.arrays && Object.hasOwn(data.arrays, CAPTIONS))
    throw new Error(`${data.name} have an array '${CAPTIONS}' already, got another (${name})`);
  if (data.unnumbered) throw new Error(`${name} does not go with ${data.name}: ${data.unnumbered}`);
  if (images.length !== data.count)
    throw new Error(
      `${name} has captions of ${images.length} images, expected those of the ${data.count} images of ${data.name}`,
    );
  return {
    ...data,
    captions,
    arrays: { ...data.arrays, [CAPTIONS]: features.shape },
    nothing: { ...data.nothing, [CAPTIONS]: empty },
    async read(seed, position, count, streams = randomStream) {
      const examples = await data.read(seed, position, count, streams);
      const texts = examples.indices.map((image, i) => {
        const numbers = images[image];
        return numbers[streams(seed, "caption", position + i).integer(numbers.length)];
      });
      return { ...examples, arrays: { ...examples.arrays, [CAPTIONS]: await features.read(texts) } };
    },
    fingerprint: async () =>
      contentHash([
        (await data.fingerprint?.()) ?? "",
        JSON.stringify(images),
        ...Object.values(await contentOfArrays({ [CAPTIONS]: features })),
      ]),
    async close() {
      await features.close();
      await data.close();
    },
  };
}
