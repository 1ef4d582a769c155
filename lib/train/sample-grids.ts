/** Pictures of what a run has learned so far: the same noise and classes each time. */
import { join } from "node:path";
import { type NdArray, threeChannels, toUint8Images, writePngGrid } from "../io/index.ts";
import type { Network } from "../models/index.ts";
import { sampleGenerator } from "../samplers/index.ts";
import type { Params } from "../tensor/params.ts";
import type { TrainConfig } from "./config.ts";

/** Images of a grid, and sampler steps: enough to see, few enough not to slow a run down. */
const COLUMNS = 8;
const IMAGES = 4 * COLUMNS;
const STEPS = 25;
const DIT_STEPS = 50;

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

/** Grids as a config asks for them; none where it does not. */
export function sampleGrids(
  network: Network,
  { process, seed, sampleEvery }: TrainConfig,
  decode?: Decode,
): SampleGrids | undefined {
  if (sampleEvery === undefined) return undefined;
  const generator = sampleGenerator(network, process);
  return {
    async write(params, path) {
      const drawn = await generator.generate(params, {
        ...(network.classes > 0
          ? { labels: Array.from({ length: IMAGES }, (_, i) => i % network.classes) }
          : { count: IMAGES }),
        sampler: process.type === "gaussian" ? "ddpm" : "euler",
        steps: process.type === "gaussian" ? Math.min(DIT_STEPS, process.steps) : STEPS,
        // Nothing decodes them: they are pixels.
        clip: process.type === "gaussian" && !decode,
        seed,
        batchSize: IMAGES,
      });
      const images = decode ? await decode(drawn) : drawn;
      const pixels = threeChannels(toUint8Images(images.data, images.shape));
      await writePngGrid(path, pixels, { columns: COLUMNS });
    },
    dispose: () => generator.dispose(),
  };
}
