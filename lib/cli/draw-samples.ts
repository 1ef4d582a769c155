/** Samples of a model into files, with what decides them checked before anything is written. */
import { join } from "node:path";
import { contentHash } from "../data/identity.ts";
import type { InterpolantName } from "../diffusion/index.ts";
import { claimFolder } from "../io/folders.ts";
import {
  type NdArray,
  readBytes,
  readNpz,
  threeChannels,
  toUint8Images,
  writeAtomic,
  writePngGrid,
} from "../io/index.ts";
import type { TransformerConfig } from "../models/index.ts";
import { checkGenerate, gatherSamples, type SamplerName, sampleGenerator } from "../samplers/index.ts";
import type { Params } from "../tensor/index.ts";
import { imageDecoder } from "./decoder.ts";
import { progressReporter } from "./progress.ts";
import type { SampleOptions } from "./sample.ts";

/** What is sampled from, and how. */
export interface SampledModel {
  config: TransformerConfig;
  params: Params;
  interpolant: InterpolantName;
  sampler: SamplerName;
  source: string;
  step?: number;
}

/** The class ids in a file: a JSON list, or a line for each. */
async function readLabels(path: string): Promise<number[]> {
  const text = new TextDecoder().decode(await readBytes(path)).trim();
  let values: unknown;
  try {
    values = text.startsWith("[") ? JSON.parse(text) : text.split(/\s+/).map(Number);
  } catch {}
  if (!Array.isArray(values) || values.length === 0 || !values.every(Number.isInteger))
    throw new Error(`${path} must hold class ids, a JSON list of them or a line for each`);
  return values;
}

/** The classes of images number `first` to `first + count - 1`. */
async function labelsOf(
  { labels: path, class: ids, first, count: wanted, seeds }: SampleOptions,
  { numClasses }: TransformerConfig,
): Promise<number[]> {
  if (path !== undefined && ids !== undefined)
    throw new Error("--class and --labels both say what is drawn; expected one of them");
  const listed = path === undefined ? undefined : await readLabels(path);
  const count = wanted ?? seeds?.length ?? (listed ? Math.max(0, listed.length - first) : 64);
  if (seeds && seeds.length !== count)
    throw new Error(`--seeds has ${seeds.length} seeds, expected one for each of ${count} images`);
  if (listed && listed.length < first + count)
    throw new Error(`${path} has ${listed.length} labels, expected one for each of ${first + count} images`);
  const turn = ids ?? Array.from({ length: numClasses }, (_, i) => i);
  const labels = Array.from({ length: count }, (_, i) =>
    listed ? listed[first + i] : turn[(first + i) % turn.length],
  );
  return labels;
}

const PNG_FOLDER = { kind: "folder of images", identity: {}, makes: ["*.png"] };

/** Each image of an archive [N,H,W,C] as a PNG, by its number from `first`. */
async function writePngs(folder: string, images: NdArray<"uint8">, first: number): Promise<void> {
  const { default: sharp } = await import("sharp");
  const [count, height, width, channels] = images.shape;
  const area = height * width * channels;
  for (let i = 0; i < count; i++) {
    const pixels = images.data.subarray(i * area, (i + 1) * area);
    const raw = { height, width, channels: channels as 1 | 3 };
    const name = `${String(first + i).padStart(8, "0")}.png`;
    await writeAtomic(join(folder, name), await sharp(pixels, { raw }).png().toBuffer());
  }
}

/** Draws images and writes them to `--out`, and where asked as pictures. */
export async function drawSamples(
  { config, params, interpolant, sampler, source, step }: SampledModel,
  options: SampleOptions,
): Promise<{ count: number; out: string; grid?: string; png?: string }> {
  const { first, steps, batchSize, out, grid, png, guidedChannels, weights, emaDecay, seeds } = options;
  const labels = await labelsOf(options, config);
  const count = labels.length;
  const guidance = {
    scale: options.guidance,
    interval: options.guidanceInterval,
    ...(guidedChannels && { channels: guidedChannels }),
  };
  const drawn = { sampler, steps, guidance, interpolant };
  checkGenerate(config, { ...drawn, labels, seed: seeds ?? options.seed, batchSize });
  const decoder = options.vae === undefined ? undefined : await imageDecoder(options.vae, config);
  // Without a VAE latents come as they are; what has the channels of an image is one.
  const isPixels = decoder !== undefined || config.inChannels === 1 || config.inChannels === 3;
  if (!isPixels && (grid ?? png) !== undefined)
    throw new Error(`a picture of ${config.inChannels} channels needs a --vae that makes images of them`);
  if (png !== undefined) await claimFolder(png, PNG_FOLDER);
  const generator = sampleGenerator(config);
  const width = Math.min(batchSize, count);
  /** What belongs to a batch, filled up with its last: another batch size would be another program to compile. */
  const filled = <T>(all: readonly T[], from: number): T[] =>
    Array.from({ length: width }, (_, i) => all[Math.min(from + i, count - 1)]);
  const reporter = progressReporter();
  reporter.begin("sampling", count);
  await gatherSamples(out, {
    run: {
      ...drawn,
      source,
      step,
      weights,
      emaDecay,
      config,
      // Which generator the noise is from: that of 0.1 was another.
      random: "stream",
      seed: seeds ?? options.seed,
      first,
      class: options.class,
      labels: options.labels && contentHash([JSON.stringify(labels)]),
      vae: options.vae,
    },
    count,
    batchSize: width,
    onProgress: (done) => reporter.update(done),
    async make(from, size): Promise<NdArray<"uint8" | "float32">> {
      const images = await generator.generate(params, {
        ...drawn,
        labels: filled(labels, from),
        seed: seeds ? filled(seeds, from) : options.seed,
        first: first + from,
        batchSize: width,
      });
      const all = decoder ? await decoder.decode(images) : images;
      const [, ...shape] = all.shape;
      const data = all.data.subarray(0, (all.data.length / width) * size);
      return isPixels
        ? threeChannels(toUint8Images(data, [size, ...shape], decoder ? "down" : "nearest"))
        : { dtype: "float32", shape: [size, ...shape], data };
    },
  });
  reporter.end();
  await Promise.all([generator.dispose(), decoder?.dispose()]);
  if (grid !== undefined || png !== undefined) {
    const images = (await readNpz(out)).arr_0 as NdArray<"uint8">;
    if (grid !== undefined) await writePngGrid(grid, images);
    if (png !== undefined) await writePngs(png, images, first);
  }
  return { count, out, grid, png };
}
