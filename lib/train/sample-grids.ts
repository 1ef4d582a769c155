/** Pictures of what a run has learned so far: the same noise, and classes or captions, each time. */
import { dirname, join } from "node:path";
import { CAPTIONS, type Captions, type TrainingData } from "../data/index.ts";
import { type NdArray, threeChannels, toUint8Images, writeAtomic, writePngGrid } from "../io/index.ts";
import type { Network } from "../models/index.ts";
import { type GenerateOptions, sampleGenerator } from "../samplers/index.ts";
import type { Params } from "../tensor/params.ts";
import { disposeTree } from "../tensor/tree.ts";
import { captionCondition, captionTexts, TEXT_GUIDANCE } from "./caption-condition.ts";
import type { TrainConfig } from "./config.ts";

/** Images of a grid, and sampler steps: enough to see, few enough not to slow a run down. */
const COLUMNS = 8;
const IMAGES = 4 * COLUMNS;
const STEPS = 25;
const DIT_STEPS = 50;

/** What the images of grids are to be of, in the grids' folder. */
const CAPTIONS_FILE = "captions.txt";

/** The grid of a step. */
export const samplesPath = (folder: string, step: number): string =>
  join(folder, "samples", `step-${String(step).padStart(8, "0")}.png`);

interface SampleGrids {
  /** Draws from weights and writes a PNG. */
  write(params: Params, path: string): Promise<void>;
  dispose(): Promise<void>;
}

/** Makes images [count,C,H,W] of latents. */
export type Decode = (latents: NdArray<"float32">) => Promise<NdArray<"float32">>;

/** @throws where a config asks for grids, the model's channels are not those of an image, and nothing decodes them. */
export function checkGrids({ model, sampleEvery }: TrainConfig, decode?: Decode): void {
  if (sampleEvery !== undefined && !decode && model.inChannels !== 1 && model.inChannels !== 3)
    throw new Error(
      `train config: sampleEvery needs a VAE to make images of ${model.inChannels} channels; expected one, or no sampleEvery`,
    );
}

/** Captions of some of the data's images, evenly spread: the same each time. */
const shownCaptions = (captions: Captions): number[] =>
  Array.from({ length: IMAGES }, (_, i) => Math.floor((i * captions.images.length) / IMAGES));

/** What a grid's images are of: captions, guided, or all classes in turn, or nothing. */
async function drawnOptions(
  network: Network,
  captions: Captions | undefined,
): Promise<Pick<GenerateOptions, "condition" | "guidance" | "labels" | "count">> {
  if (captions && network.arrays?.[CAPTIONS])
    return {
      condition: await captionCondition(network, captions, shownCaptions(captions)),
      guidance: { scale: TEXT_GUIDANCE },
    };
  if (network.classes > 0) return { labels: Array.from({ length: IMAGES }, (_, i) => i % network.classes) };
  return { count: IMAGES };
}

/** Writes the captions of grids into a file beside them, a line for each image, row by row. */
async function writeTexts(folder: string, captions: Captions): Promise<void> {
  const lines = captionTexts(captions, shownCaptions(captions)).map((text) => text.replaceAll(/\s+/g, " "));
  await writeAtomic(join(folder, CAPTIONS_FILE), `${lines.join("\n")}\n`);
}

/** Grids as a config asks for them; none where it does not. */
export function sampleGrids(
  network: Network,
  { process, seed, sampleEvery }: TrainConfig,
  { captions }: Pick<TrainingData, "captions">,
  decode?: Decode,
): SampleGrids | undefined {
  if (sampleEvery === undefined) return undefined;
  const generator = sampleGenerator(network, process);
  return {
    async write(params, path) {
      const told = await drawnOptions(network, captions);
      const drawn = await generator
        .generate(params, {
          ...told,
          sampler: process.type === "gaussian" ? "ddpm" : "euler",
          steps: process.type === "gaussian" ? Math.min(DIT_STEPS, process.steps) : STEPS,
          // Nothing decodes them: they are pixels.
          clip: process.type === "gaussian" && !decode,
          seed,
          batchSize: IMAGES,
        })
        .finally(() => told.condition && disposeTree(told.condition));
      const images = decode ? await decode(drawn) : drawn;
      const pixels = threeChannels(toUint8Images(images.data, images.shape));
      await writePngGrid(path, pixels, { columns: COLUMNS });
      if (captions && told.condition) await writeTexts(dirname(path), captions);
    },
    dispose: () => generator.dispose(),
  };
}
