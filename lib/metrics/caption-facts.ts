/** Whether small pictures are as their captions say: what is seen, where, and in which colour, by plain arithmetic. */
import { COLOURS, CORNERS, type Facts, halved } from "../data/captioned-digits.ts";
import type { ImageSet } from "../data/index.ts";
import type { NdArray } from "../io/index.ts";

/** Shares of pictures from 0 to 1. */
export interface CaptionAgreement {
  what: number;
  corner: number;
  colour: number;
  /** All three at once. */
  all: number;
}

export interface FactReader {
  /** What is in pictures [count,3,H,W], about -1 to 1. */
  read(pictures: NdArray<"float32">): Facts[];
  /** How often pictures show what is expected of them. */
  agreement(pictures: NdArray<"float32">, expected: readonly Facts[]): CaptionAgreement;
}

/** Grey images that what is seen is compared with. */
const TEMPLATES = 2000;

/** A vector of length 1, without its mean. */
function normalized(values: Float32Array): Float32Array {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const centred = values.map((x) => x - mean);
  const length = Math.hypot(...centred);
  return length > 0 ? centred.map((x) => x / length) : centred;
}

const indexOfMost = (values: readonly number[]): number => values.indexOf(Math.max(...values));

/**
 * Reads pictures that `captionedDigits` made, or a model that learned from them: the corner is the brightest quarter, the
 * colour the one whose direction that quarter's is nearest to, and what is seen is the label of the grey image that it
 * correlates with most, of 2000.
 * @param templates grey images with labels, such as the training images
 */
export function factReader(templates: ImageSet): FactReader {
  const count = Math.min(TEMPLATES, templates.count);
  const known = Array.from({ length: count }, (_, i) => normalized(halved(templates, i)));
  const readOne = (picture: Float32Array, width: number): Facts => {
    const quarters = CORNERS.map((_, corner) => quarterOf(picture, width, corner));
    const light = quarters.map((channels) => channels.flatMap((c) => [...c]).reduce((sum, x) => sum + x, 0));
    const corner = indexOfMost(light);
    const grey = normalized(greyOf(quarters[corner]));
    const likeness = known.map((template) => template.reduce((sum, x, i) => sum + x * grey[i], 0));
    return { what: templates.labels[indexOfMost(likeness)], corner, colour: colourOf(quarters[corner]) };
  };
  const read = ({ data, shape }: NdArray<"float32">): Facts[] => {
    const [pictures, channels, height, width] = shape;
    if (channels !== 3 || height !== templates.height || width !== templates.width)
      throw new Error(
        `pictures must be [count,3,${templates.height},${templates.width}], as what they are compared with, got [${shape}]`,
      );
    const area = 3 * height * width;
    return Array.from({ length: pictures }, (_, i) =>
      readOne(data.subarray(i * area, (i + 1) * area), width),
    );
  };
  return {
    read,
    agreement(pictures, expected) {
      const seen = read(pictures);
      if (seen.length !== expected.length)
        throw new Error(`expected the facts of ${seen.length} pictures, got ${expected.length}`);
      const share = (fits: (a: Facts, b: Facts) => boolean): number =>
        seen.filter((facts, i) => fits(facts, expected[i])).length / seen.length;
      const same = (name: keyof Facts) => (a: Facts, b: Facts) => a[name] === b[name];
      return {
        what: share(same("what")),
        corner: share(same("corner")),
        colour: share(same("colour")),
        all: share((a, b) => a.what === b.what && a.corner === b.corner && a.colour === b.colour),
      };
    },
  };
}

/** The light of a quarter of a picture [3,H,W], from 0 to 1 (a little beyond of a model's), by channel. */
function quarterOf(picture: Float32Array, width: number, corner: number): Float32Array[] {
  const area = picture.length / 3;
  const [columns, rows] = [width / 2, area / width / 2];
  const [top, left] = [(corner >> 1) * rows, (corner & 1) * columns];
  return [0, 1, 2].map((c) =>
    Float32Array.from({ length: rows * columns }, (_, i) => {
      const at = c * area + (top + Math.floor(i / columns)) * width + left + (i % columns);
      return (picture[at] + 1) / 2;
    }),
  );
}

const greyOf = ([red, green, blue]: Float32Array[]): Float32Array =>
  red.map((value, i) => value + green[i] + blue[i]);

/** The colour whose direction is nearest to that of the light, pixels weighted by how light they are. */
function colourOf(channels: Float32Array[]): number {
  const grey = greyOf(channels);
  const light = channels.map((channel) =>
    channel.reduce((sum, value, i) => sum + value * Math.max(0, grey[i]), 0),
  );
  return indexOfMost(
    COLOURS.map(([, rgb]) => rgb.reduce((sum, most, c) => sum + most * light[c], 0) / Math.hypot(...rgb)),
  );
}
