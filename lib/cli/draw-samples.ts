/** Samples of a pipeline into files, with what decides them checked before anything is written. */
import { join } from "node:path";
import { contentHash } from "../data/identity.ts";
import type { Captions } from "../data/index.ts";
import { type Communicator, checkAgreement } from "../distributed/communicator.ts";
import { fromFirst, isFirst, shareAll } from "../distributed/share.ts";
import { claimFolder } from "../io/folders.ts";
import { type NdArray, readBytes, readNpz, threeChannels, writeAtomic, writePngGrid } from "../io/index.ts";
import type { Network } from "../models/index.ts";
import type { Pipeline } from "../pipeline/index.ts";
import { type GatherPart, partsFolder, writePart } from "../samplers/gather.ts";
import { type GatherOptions, gatherSamples } from "../samplers/index.ts";
import { disposeTree } from "../tensor/tree.ts";
import { captionCondition } from "../train/caption-condition.ts";
import { progressReporter } from "./progress.ts";
import { captionsFor } from "./sample-captions.ts";
import { type SampleOptions, samplerOptions } from "./sampler-options.ts";

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

/** How many images there are, and the classes of images number `first` to `first + count - 1` if there are classes. */
async function drawnOf(
  { labels: path, class: ids, prompt, first, count: wanted, seeds }: SampleOptions,
  { classes, name }: Network,
  captions?: Captions,
): Promise<{ count: number; labels?: number[] }> {
  if (path !== undefined && ids !== undefined)
    throw new Error("--class and --labels both say what is drawn; expected one of them");
  if (classes === 0 && (path ?? ids) !== undefined)
    throw new Error(`the ${name} knows no classes; expected neither --class nor --labels`);
  const listed = path === undefined ? undefined : await readLabels(path);
  const known = listed ?? captions?.images;
  const from = prompt ? 0 : first;
  const count = wanted ?? seeds?.length ?? (known ? Math.max(0, known.length - from) : 64);
  if (seeds && seeds.length !== count)
    throw new Error(`--seeds has ${seeds.length} seeds, expected one for each of ${count} images`);
  if (listed && listed.length < first + count)
    throw new Error(`${path} has ${listed.length} labels, expected one for each of ${first + count} images`);
  if (captions && !prompt && captions.images.length < first + count)
    throw new Error(
      `${captions.name} has captions of ${captions.images.length} images, expected those of ${first + count}`,
    );
  if (classes === 0) return { count };
  const turn = ids ?? Array.from({ length: classes }, (_, i) => i);
  const labelOf = (i: number): number => (listed ? listed[i] : turn[i % turn.length]);
  return { count, labels: Array.from({ length: count }, (_, i) => labelOf(first + i)) };
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

/** The first `count` of images or latents. */
const firstOf = <T extends NdArray<"uint8" | "float32">>({ dtype, shape, data }: T, count: number): T =>
  ({
    dtype,
    shape: [count, ...shape.slice(1)],
    data: data.subarray(0, (data.length / shape[0]) * count),
  }) as T;

interface Drawn {
  count: number;
  out: string;
  grid?: string;
  png?: string;
}

/** Images to be drawn: what decides them, and how a batch is made. */
export interface Drawing extends Pick<GatherOptions, "run" | "count" | "batchSize" | "make"> {
  close(): Promise<void>;
}

/** Checks what is asked of a pipeline. @throws before anything is computed or written */
export async function openDrawing(
  pipeline: Pipeline,
  options: SampleOptions,
  weaker?: Pipeline,
): Promise<Drawing> {
  const captions = await captionsFor(options, pipeline.network);
  const close = async (): Promise<void> => captions?.features.close();
  try {
    return { ...(await drawingOf(pipeline, options, captions, weaker)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function drawingOf(
  pipeline: Pipeline,
  options: SampleOptions,
  captions?: Captions,
  weaker?: Pipeline,
): Promise<Omit<Drawing, "close">> {
  const { first, batchSize, weights, emaDecay, seeds } = options;
  const { network, config, source, step } = pipeline;
  const { count, labels } = await drawnOf(options, network, captions);
  const drawn = samplerOptions(options);
  const seed = seeds ?? options.seed;
  pipeline.check({ ...drawn, ...(labels ? { labels } : { count }), seed, batchSize, weaker });
  const width = Math.min(batchSize, count);
  /** What belongs to a batch, filled up with its last: another batch size would be another program to compile. */
  const filled = <T>(all: readonly T[], from: number): T[] =>
    Array.from({ length: width }, (_, i) => all[Math.min(from + i, count - 1)]);
  return {
    run: {
      ...drawn,
      source,
      step,
      weights,
      emaDecay,
      config,
      process: pipeline.process,
      weaker: options.weaker,
      weakerStep: weaker?.step,
      // Which generator the noise is from: that of 0.1 was another.
      random: "stream",
      seed,
      first,
      class: options.class,
      labels: options.labels && contentHash([JSON.stringify(labels)]),
      captions: captions && contentHash([JSON.stringify([captions.texts, captions.images])]),
      vae: options.vae,
    },
    count,
    batchSize: width,
    async make(from, size): Promise<NdArray<"uint8" | "float32">> {
      const numbers = Array.from({ length: count }, (_, i) => first + i);
      const condition = captions && (await captionCondition(network, captions, filled(numbers, from)));
      const { images, latents } = await pipeline.sample({
        ...drawn,
        ...(labels ? { labels: filled(labels, from) } : condition ? { condition } : { count: width }),
        seed: seeds ? filled(seeds, from) : options.seed,
        first: first + from,
        batchSize: width,
        weaker,
      });
      disposeTree(condition);
      return images ? threeChannels(firstOf(images, size)) : firstOf(latents, size);
    },
  };
}

interface DrawOptions extends Pick<GatherOptions, "distribute"> {
  /** The weaker model that guides. */
  weaker?: Pipeline;
  /** Those that draw together, of which the first writes the files. */
  ranks?: Communicator;
}

/** Draws the batches that rank 0 finds missing, into a folder that all ranks see. */
async function drawShare(
  ranks: Communicator,
  folder: string,
  make: GatherOptions["make"],
  missing: readonly GatherPart[] = [],
): Promise<void> {
  const draw = async (part: GatherPart): Promise<void> =>
    writePart(folder, part, await make(part.first, part.count));
  await shareAll(await fromFirst(missing, ranks), draw, ranks);
}

/** Draws images and writes them to `--out`, and where asked as pictures; batches may be drawn elsewhere. */
export async function drawSamples(
  pipeline: Pipeline,
  options: SampleOptions,
  { weaker, ranks, distribute }: DrawOptions = {},
): Promise<Drawn> {
  const { first, out, grid, png } = options;
  const drawing = await openDrawing(pipeline, options, weaker);
  try {
    const { count } = drawing;
    if (!pipeline.makesImages && (grid ?? png) !== undefined)
      throw new Error(
        `a picture of ${pipeline.network.input[0]} channels needs a --vae that makes images of them`,
      );
    // A run may go on meanwhile, and its newest checkpoint be another one on each rank.
    if (ranks) await checkAgreement(ranks, "checkpoint or option", JSON.stringify(drawing.run));
    if (ranks && !isFirst(ranks)) {
      await drawShare(ranks, partsFolder(out), drawing.make);
      return { count, out, grid, png };
    }
    if (png !== undefined) await claimFolder(png, PNG_FOLDER);
    const reporter = progressReporter();
    reporter.begin("sampling", count);
    await gatherSamples(out, {
      ...drawing,
      distribute: ranks ? (folder, missing) => drawShare(ranks, folder, drawing.make, missing) : distribute,
      onProgress: (done) => reporter.update(done),
    });
    reporter.end();
    if (grid !== undefined || png !== undefined) {
      const images = (await readNpz(out)).arr_0 as NdArray<"uint8">;
      if (grid !== undefined) await writePngGrid(grid, images);
      if (png !== undefined) await writePngs(png, images, first);
    }
    return { count, out, grid, png };
  } finally {
    await drawing.close();
  }
}
