/** How each published evaluation turns pixels into the FID network's input: numbers of two suites do not compare. */
import { type Pixels, pillowResizeFloat } from "../../data/index.ts";
import { type Tensor, type Tensor4D, tf } from "../../tensor/tf.ts";

/** Side of the network's input. */
const SIDE = 299;

export const SUITE_NAMES = ["adm", "pytorch-fid", "clean-fid"] as const;
export type SuiteName = (typeof SUITE_NAMES)[number];

interface Suite {
  about: string;
  /** Before the network is compiled in: pixels as the numbers that its graph takes, `[height, width, 3]`. */
  host(image: Pixels): Float32Array;
  /** Within the graph: [B,H,W,3] of those numbers as [B,299,299,3] from -1 to 1. */
  graph(x: Tensor): Tensor;
}

const asNumbers = ({ data }: Pixels): Float32Array => Float32Array.from(data);

/** Bilinear without smoothing, at pixels' centers or, as TensorFlow 1 did, at their corners. */
const bilinear = (x: Tensor, halfPixelCenters: boolean): Tensor =>
  x.shape[1] === SIDE && x.shape[2] === SIDE
    ? x
    : tf.image.resizeBilinear(x as Tensor4D, [SIDE, SIDE], false, halfPixelCenters);

/** What the graph of 2015 does with 0 .. 255. */
const centered = (x: Tensor): Tensor => tf.div(tf.sub(x, 128), 128);

export const SUITES: Record<SuiteName, Suite> = {
  adm: {
    about: "ADM's evaluations, the paper's: TensorFlow 1's bilinear resize",
    host: asNumbers,
    graph: (x) => centered(bilinear(x, false)),
  },
  "pytorch-fid": {
    about: "pytorch-fid: bilinear resize of centers",
    host: asNumbers,
    graph: (x) => tf.sub(tf.mul(bilinear(tf.div(x, 255), true), 2), 1),
  },
  "clean-fid": {
    about: "clean-fid: Pillow's bicubic resize with smoothing, in floats",
    host: (image) => pillowResizeFloat(image, SIDE, SIDE, "bicubic"),
    graph: centered,
  },
};

/** Pixels of one size as a batch for a suite's graph. */
export function suiteBatch(suite: SuiteName, images: readonly Pixels[]): Tensor4D {
  const parts = images.map((image) => SUITES[suite].host(image));
  const values = new Float32Array(parts.length * parts[0].length);
  for (const [i, part] of parts.entries()) values.set(part, i * part.length);
  const { width, height } = suite === "clean-fid" ? { width: SIDE, height: SIDE } : images[0];
  return tf.tensor4d(values, [parts.length, height, width, 3]);
}
