import { join } from "node:path";
import { Command, Option } from "commander";
import {
  captionedDigits,
  type DatasetName,
  loadDataset,
  type PrepareOptions,
  type PrepareResult,
  packShards,
  prepareCaptions,
  prepareFeatures,
  prepareImages,
  prepareLatents,
  type Split,
  writeCaptioned,
} from "../data/index.ts";
import { inceptionExtractor, openImageFiles, readInception, writeReference } from "../metrics/index.ts";
import { openTextEncoder } from "../text/index.ts";
import { readVAE } from "../vae/index.ts";
import { openImageEncoder } from "../vision/index.ts";
import { fetched } from "./download.ts";
import { EXIT, stopSignal } from "./exit.ts";
import {
  dataFolderOption,
  datasetOption,
  integer,
  jsonOption,
  namedFile,
  positiveInteger,
  withDevice,
} from "./options.ts";
import { imageProgress, progressReporter } from "./progress.ts";

interface Options {
  json?: boolean;
}

/** Runs one preparation with progress, stopped by Ctrl-C, and says what it did. */
async function prepare(
  what: string,
  destination: string,
  { json }: Options,
  run: (options: PrepareOptions) => Promise<PrepareResult>,
): Promise<void> {
  const reporter = progressReporter();
  const signal = stopSignal(() => reporter.note("\nStopping; press Ctrl-C again to stop at once."));
  let began: { time: number; done: number } | undefined;
  const result = await run({
    signal,
    onProgress(done, total) {
      if (!began) {
        reporter.begin(what, total);
        began = { time: performance.now(), done };
      }
      const rate = (done - began.done) / ((performance.now() - began.time) / 1000);
      reporter.update(done, Number.isFinite(rate) && rate > 0 ? `${rate.toPrecision(3)} a second` : "");
    },
  });
  if (began) reporter.end();
  const { count, written, skipped, broken, others, finished } = result;
  for (const { name, error } of broken.slice(0, 10)) reporter.note(`left out ${name}: ${error}`);
  if (broken.length > 10)
    reporter.note(`and ${broken.length - 10} more${finished ? `, see ${destination}/broken.json` : ""}`);
  if (others.length > 0)
    reporter.note(
      `left out ${others.length} image${others.length > 1 ? "s" : ""} of other kinds, such as ${others[0]}; expected JPEG, PNG, WebP, GIF or TIFF`,
    );
  if (json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  else if (finished)
    process.stdout.write(
      `${destination}: ${count - broken.length} ${what}${skipped ? `, ${written} of them new` : ""}${broken.length ? `; ${broken.length} could not be read` : ""}\n`,
    );
  if (!finished) {
    reporter.note("Stopped; the same command goes on.");
    process.exit(EXIT.interrupted);
  }
}

const images = (): Command =>
  new Command("images")
    .description("crop a folder or ZIP archive of images to squares, as ADM does")
    .argument("<source>", "images in class folders, or with a dataset.json, or without labels")
    .argument("<destination>", "folder for PNG files and dataset.json")
    .option("--size <pixels>", "side of the images", positiveInteger, 256)
    .option("--threads <number>", "threads (default: processors)", positiveInteger)
    .addOption(jsonOption())
    .action((source: string, destination: string, options: Options & { size: number; threads?: number }) =>
      prepare("images", destination, options, (more) =>
        prepareImages(source, destination, { size: options.size, threads: options.threads, ...more }),
      ),
    );

const latents = (): Command =>
  withDevice(new Command("latents"))
    .description("encode images of one size with a VAE: mean and standard deviation, a .npy file for each")
    .argument("<source>", "what 'prepare images' made")
    .argument("<destination>", "folder for .npy files and dataset.json")
    .requiredOption("--vae <folder>", "diffusers' files of the VAE, or the name of a published one")
    .addOption(jsonOption())
    .action(async (source: string, destination: string, options: Options & { vae: string }) => {
      const vae = await readVAE(await fetched(options.vae));
      await prepare("latents", destination, options, (more) =>
        prepareLatents(source, destination, { vae, ...more }),
      );
    });

interface FeatureOptions {
  encoder: string;
  grid: number;
  attention?: number[];
}

const features = (): Command =>
  withDevice(new Command("features"))
    .description("encode square images with DINOv2, for REPA: a .npy file of patch features for each")
    .argument("<source>", "what 'prepare images' made")
    .argument("<destination>", "folder for .npy files and dataset.json")
    .requiredOption("--encoder <path>", "folder or file of DINOv2's weights, such as facebook/dinov2-base's")
    .option(
      "--grid <number>",
      "patches along a side, as the model has tokens: 16 at 256 pixels, 32 at 512",
      positiveInteger,
      16,
    )
    .option(
      "--attention <blocks...>",
      "queries and keys of these blocks instead of features, for HASTE: 9 10 11 12",
      (value: string, before: number[] = []) => [...before, positiveInteger(value)],
    )
    .addOption(jsonOption())
    .action(async (source: string, destination: string, options: Options & FeatureOptions) => {
      const { grid, attention } = options;
      const encoder = await openImageEncoder(options.encoder, { grid, attention });
      try {
        await prepare("features", destination, options, (more) =>
          prepareFeatures(source, destination, { encoder, ...more }),
        );
      } finally {
        await encoder.dispose();
      }
    });

interface ShardOptions {
  shardSize?: number;
  array?: Record<string, string>;
}

const shards = (): Command =>
  new Command("shards")
    .description("pack latents, or images of one size, into a few large files in random order")
    .argument("<source>", "what 'prepare latents' or 'prepare images' made")
    .argument("<destination>", "folder for the shards and index.json")
    .option("--shard-size <number>", "examples in a shard (default: 128 MiB of them)", positiveInteger)
    .option(
      "--array <name=file>",
      "an array to pack along: an .npy file [images, ...], or what 'prepare features' made, by name, in the order of the source's names (repeatable)",
      namedFile,
    )
    .addOption(jsonOption())
    .action((source: string, destination: string, options: Options & ShardOptions) =>
      prepare("examples", destination, options, (more) =>
        packShards(source, destination, { shardSize: options.shardSize, arrays: options.array, ...more }),
      ),
    );

const captions = (): Command =>
  withDevice(new Command("captions"))
    .description("encode the captions of images, as COCO distributes them, for a text-to-image model")
    .argument("<source>", "the images that 'prepare images' was given")
    .argument("<annotations>", "COCO's captions_*.json")
    .argument("<destination>", "folder for captions.json and the features' files")
    .requiredOption(
      "--encoder <folder>",
      "CLIP's text encoder: config.json, model.safetensors, tokenizer.json and tokenizer_config.json",
    )
    .option(
      "--shard-size <number>",
      "texts in a file of features (default: 256 MiB of them)",
      positiveInteger,
    )
    .addOption(jsonOption())
    .action(
      async (
        source: string,
        annotations: string,
        destination: string,
        options: Options & { encoder: string; shardSize?: number },
      ) => {
        const encoder = await openTextEncoder(options.encoder);
        try {
          await prepare("captions", destination, options, (more) =>
            prepareCaptions(source, annotations, destination, {
              encoder,
              shardSize: options.shardSize,
              ...more,
            }),
          );
        } finally {
          await encoder.dispose();
        }
      },
    );

interface PictureOptions {
  dataset: DatasetName;
  data?: string;
  split: Split;
  count: number;
  seed: number;
}

const pictures = (): Command =>
  new Command("pictures")
    .description(
      "make small pictures with captions, one thing in a corner and a colour, which need no download",
    )
    .argument("<destination>", "folder for images and captions")
    .addOption(datasetOption())
    .addOption(dataFolderOption())
    .addOption(
      new Option("--split <name>", "whose images are shown").choices(["train", "test"]).default("train"),
    )
    .option("--count <number>", "pictures", positiveInteger, 10_000)
    .option("--seed <number>", "decides corners and colours", integer, 0)
    .action(async (destination: string, { dataset, data, split, count, seed }: PictureOptions) => {
      const { classes, ...sets } = await loadDataset(dataset, { folder: data });
      const set = await captionedDigits(sets[split], classes, { count, seed });
      await writeCaptioned(set, destination, { dataset, split, count, seed });
      const named = `--images ${join(destination, "images")} --captions ${join(destination, "captions")}`;
      process.stdout.write(`${destination}: ${count} pictures with captions; train with ${named}\n`);
    });

const reference = (): Command =>
  withDevice(new Command("reference"))
    .description(
      "take the statistics that 'evaluate' compares with, as ADM publishes them, of images of one size",
    )
    .argument("<source>", "what 'prepare images' made, or a .npz of images")
    .argument("<destination>", ".npz for mu, sigma, mu_s, sigma_s and some of the images")
    .option("--images <number>", "images that go along, evenly spread", positiveInteger, 10_000)
    .option("--weights <file>", "the FID network's weights, or the name of published ones", "inception-2015")
    .addOption(jsonOption())
    .action(
      async (source: string, destination: string, options: Options & { images: number; weights: string }) => {
        if (!destination.endsWith(".npz"))
          throw new Error(`a reference is a .npz file, got "${destination}" as its name`);
        const files = await openImageFiles(source);
        const params = await readInception(await fetched(options.weights));
        const extractor = inceptionExtractor(params, { suite: "adm", cache: true });
        try {
          const { onProgress, end } = imageProgress("images", files.count);
          const { images } = options;
          const result = await writeReference(destination, files, extractor, { images, onProgress });
          end();
          const text = `${destination}: statistics of ${result.count} images, and ${result.images} of them\n`;
          process.stdout.write(options.json ? `${JSON.stringify(result, null, 2)}\n` : text);
        } finally {
          await extractor.dispose();
          await files.close();
        }
      },
    );

export const prepareCommand = (): Command =>
  new Command("prepare")
    .description("make training data of images; each step goes on where it was stopped")
    .addCommand(images())
    .addCommand(latents())
    .addCommand(features())
    .addCommand(shards())
    .addCommand(captions())
    .addCommand(pictures())
    .addCommand(reference());
