/** `ditlab probe --pictures`: features by block and noise as the colours of their principal components. */
import { join } from "node:path";
import { featurePictures, writeFeaturePicture } from "../experiments/feature-pictures.ts";
import { countOf, loadWeights, openProbedData, type ProbedOptions } from "./probe-data.ts";

/** Images that are shown where nothing is said. */
export const PICTURE_IMAGES = 8;

/** Of a folder of probes, the files that are made. */
export const PICTURE_FILES = ["pictures-*.png"];

export interface PicturesOptions extends ProbedOptions {
  blocks?: readonly number[];
  times: readonly number[];
  trainCount?: number;
  seed: number;
  out: string;
}

/** Writes a PNG for each set of weights and noise level. @returns their paths */
export async function writePictures(
  source: string,
  options: PicturesOptions,
  signal: AbortSignal,
): Promise<string[]> {
  const { times, blocks, seed, out } = options;
  const loaded = await loadWeights(source, options);
  const { network, process, weights } = loaded;
  try {
    const { train: images, close } = await openProbedData(source, options, loaded, false);
    try {
      const wanted = options.trainCount ?? Math.min(PICTURE_IMAGES, images.count);
      const count = countOf(images, wanted, "--train-count");
      const paths: string[] = [];
      for (const [name, params] of Object.entries(weights))
        for (const picture of await featurePictures(network, process, params, {
          ...{ images, count, blocks, times, seed, signal },
        })) {
          const path = join(out, `pictures-${name}-t${picture.time}.png`);
          await writeFeaturePicture(path, picture);
          paths.push(path);
        }
      return paths;
    } finally {
      await close();
    }
  } finally {
    loaded.dispose();
  }
}
