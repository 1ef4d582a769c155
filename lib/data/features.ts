/** An image encoder's features of every image, written once: what REPA's students are drawn to. */
import { ndarray } from "../io/index.ts";
import type { ImageEncoder } from "../vision/encoder.ts";
import type { PrepareOptions, PrepareResult } from "./destination.ts";
import { openEncoded, sizeCheck } from "./encoded.ts";
import { type Preparation, runPreparation } from "./preparation.ts";

export interface PrepareFeaturesOptions extends PrepareOptions {
  /** From `openImageEncoder`. */
  encoder: ImageEncoder;
}

/** Images that are encoded together. */
const BATCH = 8;

/**
 * Encodes the images of a folder or ZIP archive, all square and of one size, and writes `00000/img-feature-00000000.npy`
 * (float32, of the encoder's shape, as `[tokens, width]`) and so on, with `dataset.json`. `packShards` takes the folder as an
 * array. Broken images and reruns are as in `prepareImages`.
 * @throws as `prepareImages` does, also when the destination holds another encoder's features; naming the image whose
 * size differs, or whose features are not finite.
 */
export async function prepareFeatures(
  sourcePath: string,
  destination: string,
  { encoder, ...options }: PrepareFeaturesOptions,
): Promise<PrepareResult> {
  return runPreparation(destination, await openFeatures(sourcePath, destination, encoder), options);
}

/** What `prepareFeatures` does, in parts. */
export async function openFeatures(
  sourcePath: string,
  destination: string,
  encoder: ImageEncoder,
): Promise<Preparation> {
  const { shape, attention } = encoder;
  const tokens = shape.at(-2)!;
  return openEncoded(sourcePath, destination, {
    description: {
      ...{ kind: "features", encoder: await encoder.fingerprint(), tokens },
      ...(attention && { attention: attention.join(",") }),
    },
    prefix: "img-feature-",
    batch: BATCH,
    check: sizeCheck(1),
    async encode(images) {
      const values = await encoder.encode(images);
      const size = values.length / images.length;
      return images.map((_, i) => ndarray(values.slice(i * size, (i + 1) * size), [...shape]));
    },
  });
}
