/**
 * Small pictures with captions that need no download and no text encoder: a digit (or another small image) in one of four
 * corners, in one of four colours. Whether a picture is as its caption says can be seen by plain arithmetic
 * (`captionFacts` in metrics), so that a text-to-image model can be judged in minutes.
 */
import { ndarray } from "../io/index.ts";
import { randomStream } from "../tensor/random.ts";
import { arrayRows } from "./arrays.ts";
import { CAPTIONS_FORMAT, type Captions, checkedCaptions } from "./captions.ts";
import type { ImageSet } from "./datasets.ts";

/** Corners by number: row by row. */
export const CORNERS = ["top left", "top right", "bottom left", "bottom right"] as const;
/** Colours by number, from 0 to 255. */
export const COLOURS = [
  ["red", [255, 64, 64]],
  ["green", [64, 255, 64]],
  ["blue", [96, 96, 255]],
  ["yellow", [255, 255, 64]],
] as const;

/** What is seen, where, and in which colour, each by number. */
export interface Facts {
  what: number;
  corner: number;
  colour: number;
}

export interface CaptionedSet {
  /** As large as the images that they show, which fill a quarter. Three channels; labels say what is shown. */
  images: ImageSet;
  captions: Captions;
  facts: readonly Facts[];
}

export interface CaptionedOptions {
  /** Pictures; default: as many as there are images. */
  count?: number;
  /** Decides corners and colours. Default 0. */
  seed?: number;
}

/** Words of a caption; longer ones would be cut. */
const TOKENS = 12;
/** Width of a word's features. */
const WIDTH = 16;

/** The captions of a picture: the same facts in other words. */
const sentences = (what: string, where: string, colour: string): string[] => [
  `a ${colour} ${what} at the ${where}`,
  `the ${what} at the ${where} is ${colour}`,
  `${where}: a ${what} in ${colour}`,
  `at the ${where} there is a ${colour} ${what}`,
  `${colour} ${what}, ${where}`,
];

const PER_PICTURE = sentences("", "", "").length;

/**
 * Features [texts.length, TOKENS, WIDTH]: for each word numbers that depend on the word alone, and behind the last those
 * of no word.
 */
function wordFeatures(texts: readonly string[]): Float32Array<ArrayBuffer> {
  const known = new Map<string, Float32Array>();
  const ofWord = (word: string): Float32Array => {
    const features = known.get(word) ?? randomStream(0, `word ${word}`, 0).normals(WIDTH);
    known.set(word, features);
    return features;
  };
  const all = new Float32Array(texts.length * TOKENS * WIDTH);
  for (const [n, text] of texts.entries()) {
    const words = text.toLowerCase().match(/[a-z0-9]+/g) ?? [];
    for (let i = 0; i < TOKENS; i++) all.set(ofWord(words[i] ?? ""), (n * TOKENS + i) * WIDTH);
  }
  return all;
}

/** All captions of a set of classes, the empty one first; those of some facts stand together. */
const allTexts = (classes: readonly string[]): string[] => [
  "",
  ...classes.flatMap((what) =>
    CORNERS.flatMap((corner) => COLOURS.flatMap(([colour]) => sentences(what, corner, colour))),
  ),
];

const firstText = ({ what, corner, colour }: Facts): number =>
  1 + ((what * CORNERS.length + corner) * COLOURS.length + colour) * PER_PICTURE;

/** Grey pixels of half the size: the mean of two by two. */
export function halved(images: ImageSet, index: number): Float32Array {
  const { width, height } = images;
  const [columns, rows] = [width >> 1, height >> 1];
  const from = index * width * height;
  const half = new Float32Array(columns * rows);
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < columns; x++) {
      const at = from + 2 * y * width + 2 * x;
      const { images: pixels } = images;
      half[y * columns + x] = (pixels[at] + pixels[at + 1] + pixels[at + width] + pixels[at + width + 1]) / 4;
    }
  return half;
}

/** Draws grey pixels into a corner of a picture [H,W,3], in a colour. */
function place(picture: Uint8Array, width: number, half: Float32Array, { corner, colour }: Facts): void {
  const columns = width >> 1;
  const rows = half.length / columns;
  const [, channels] = COLOURS[colour];
  const [top, left] = [(corner >> 1) * rows, (corner & 1) * columns];
  for (let i = 0; i < half.length; i++) {
    const at = 3 * ((top + Math.floor(i / columns)) * width + left + (i % columns));
    for (const [c, most] of channels.entries()) picture[at + c] = Math.round((half[i] * most) / 255);
  }
}

/**
 * Pictures of grey images of even size, each halved, in a corner and a colour that the seed decides, with five captions
 * apiece. The same arguments give the same set.
 * @param classes what the images' labels are called
 * @throws where the images are not grey or of odd size.
 */
export async function captionedDigits(
  source: ImageSet,
  classes: readonly string[],
  { count = source.count, seed = 0 }: CaptionedOptions = {},
): Promise<CaptionedSet> {
  const { width, height, channels } = source;
  if (channels !== 1 || width % 2 !== 0 || height % 2 !== 0)
    throw new Error(
      `captioned pictures are made of grey images of even size, got ${width} x ${height} pixels of ${channels} channels`,
    );
  if (!Number.isInteger(count) || count < 1 || count > source.count)
    throw new RangeError(`count must be an integer from 1 to ${source.count}, got ${count}`);
  const area = 3 * width * height;
  const images = new Uint8Array(count * area);
  const facts = Array.from({ length: count }, (_, i): Facts => {
    const random = randomStream(seed, "captioned", i);
    const corner = random.integer(CORNERS.length);
    return { what: source.labels[i], corner, colour: random.integer(COLOURS.length) };
  });
  for (const [i, fact] of facts.entries())
    place(images.subarray(i * area, (i + 1) * area), width, halved(source, i), fact);
  const labels = source.labels.slice(0, count);
  return {
    images: { images, labels, count, height, width, channels: 3 },
    captions: await captionsOf(classes, facts),
    facts,
  };
}

async function captionsOf(classes: readonly string[], facts: readonly Facts[]): Promise<Captions> {
  const texts = allTexts(classes);
  const array = ndarray(wordFeatures(texts), [texts.length, TOKENS, WIDTH]);
  const images = facts.map((fact) => Array.from({ length: PER_PICTURE }, (_, k) => firstText(fact) + k));
  return checkedCaptions(
    "the captions of small pictures",
    { format: CAPTIONS_FORMAT, texts, images },
    arrayRows("their features", array),
  );
}
