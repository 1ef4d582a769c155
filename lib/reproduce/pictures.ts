/** The paper's kind of pictures: features by block and noise as colours, and samples that nobody chose. */
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import type { Dataset } from "../data/index.ts";
import { featurePictures, writeFeaturePicture } from "../experiments/feature-pictures.ts";
import { loadSource } from "../pipeline/source.ts";
import { disposeTree } from "../tensor/tree.ts";
import type { Experiment, ModelSetting, PictureRow, Sizes } from "./experiment.ts";
import { blockOf } from "./figures.ts";
import { FIGURE_2, PROBED_BLOCKS } from "./paper.ts";

/** Test images whose features are shown. */
const IMAGES = 6;
const SEED = 4321;

const TIMES = Object.keys(FIGURE_2.SiT).map(Number);

export function pictures({ probed }: Sizes): Experiment {
  const settings: { id: string; label: string; setting: ModelSetting }[] = [
    { id: "sit", label: "SiT", setting: { family: "SiT", size: probed } },
    { id: "sit-sra", label: "SiT + SRA", setting: { family: "SiT", size: probed, sra: "paper" } },
    { id: "dit", label: "DiT", setting: { family: "DiT", size: probed } },
  ];
  const blocks = [...new Set(PROBED_BLOCKS.map((block) => blockOf(block, probed)))];
  return {
    id: "pictures",
    title: "Pictures: features by block and noise, and samples",
    about:
      "Tokens after a block in the colours of their first three principal components, where equal colours in a column are equal features; and samples as they come, from the same noise. Test images, averaged weights, the first seed.",
    columns: [],
    rows: [],
    claims: [],
    pictures: [
      ...settings.map(({ id, label, setting }) => ({
        id: `${id}-features`,
        label: `${label}: features`,
        setting,
        shown: { of: "features" as const, times: TIMES, blocks },
      })),
      ...settings.map(({ id, label, setting }) => ({
        id: `${id}-samples`,
        label: `${label}: samples`,
        setting,
        shown: { of: "samples" as const },
      })),
    ],
  };
}

/** A picture of a row, in a file beside the results. */
export interface PictureResult {
  row: string;
  label: string;
  /** What is seen. */
  caption: string;
  file: string;
}

/** Of a folder of results, the files that `drawPictures` makes. */
export const PICTURE_FILES = ["pictures-*.png"];

async function drawFeatures(
  { id, label }: PictureRow,
  { times, blocks }: Extract<PictureRow["shown"], { of: "features" }>,
  { folder, run, dataset, signal }: DrawnRun,
): Promise<PictureResult[]> {
  const { network, process, params } = await loadSource(join(folder, run));
  try {
    const options = { images: dataset.test, count: IMAGES, blocks, times, seed: SEED, signal };
    const drawn = await featurePictures(network, process, params, options);
    return await Promise.all(
      drawn.map(async (picture) => {
        const file = `pictures-${id}-t${picture.time}.png`;
        await writeFeaturePicture(join(folder, file), picture);
        const caption = `t = ${picture.time}: the image, and after blocks ${blocks.join(", ")}`;
        return { row: id, label, caption, file };
      }),
    );
  } finally {
    disposeTree(params);
  }
}

interface DrawnRun {
  /** Of results; the run's is in it. */
  folder: string;
  /** The run's, which is trained and sampled. */
  run: string;
  dataset: Dataset;
  signal?: AbortSignal;
}

/** Draws a row's pictures. */
export async function drawPictures(row: PictureRow, of: DrawnRun): Promise<PictureResult[]> {
  const { id, label, shown } = row;
  if (shown.of === "features") return drawFeatures(row, shown, of);
  const file = `pictures-${id}.png`;
  await copyFile(join(of.folder, of.run, "samples.png"), join(of.folder, file));
  return [{ row: id, label, caption: "the first 40 samples, not chosen", file }];
}
