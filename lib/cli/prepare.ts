import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Command, Option } from "commander";
import {
  captionedDigits,
  type DatasetName,
  loadDataset,
  type PrepareResult,
  type Split,
  writeCaptioned,
} from "../data/index.ts";
import { runPreparation } from "../data/preparation.ts";
import { QUEUE_FILE } from "../distributed/queue/shared-folder.ts";
import { wakeWatcher } from "../distributed/rank-process.ts";
import { isFirst } from "../distributed/share.ts";
import type { Reporter } from "../experiments/reporter.ts";
import { EXIT } from "./exit.ts";
import {
  dataFolderOption,
  datasetOption,
  integer,
  jsonOption,
  namedFile,
  positiveInteger,
  queueOption,
  queueUrl,
  withDevice,
} from "./options.ts";
import { referenceCommand } from "./prepare-reference.ts";
import { openTask, type PrepareTask } from "./prepare-tasks.ts";
import { progressReporter } from "./progress.ts";
import { distributeParts } from "./queued-preparation.ts";
import { rankStopSignal, rankTimeoutOption, withRanks } from "./ranks.ts";

interface Options {
  queue?: string | true;
  rankTimeout: number;
  json?: boolean;
}

/** A command whose work several may share. */
const shared = (command: Command): Command =>
  command
    .addOption(queueOption("have parts made by the workers of a queue"))
    .addOption(jsonOption())
    .addOption(rankTimeoutOption());

/** Makes one preparation with progress, stopped by Ctrl-C, and says what it did. */
const prepare = (what: string, task: PrepareTask, options: Options, threads?: number): Promise<void> =>
  withRanks(options, async (ranks) => {
    if (options.queue && ranks) throw new Error("parts are made by ranks or by a queue; expected no --queue");
    const reporter = progressReporter();
    const signal = rankStopSignal(ranks, () =>
      reporter.note("\nStopping; press Ctrl-C again to stop at once."),
    );
    const { onProgress, end } = rateProgress(what, reporter);
    const result = await runPreparation(task.destination, await openTask(task, threads), {
      ...{ ranks, signal, onProgress },
      ...(options.queue && { distribute: distributeParts(queueUrl(options.queue), task, signal) }),
    });
    end();
    // It may be left of an earlier call with --queue.
    if (result.finished && isFirst(ranks)) await rm(join(task.destination, QUEUE_FILE), { force: true });
    if (isFirst(ranks)) say(what, task.destination, result, options, reporter);
    if (result.finished) return;
    reporter.note("Stopped; the same command goes on.");
    await ranks?.close();
    wakeWatcher();
    process.exit(EXIT.interrupted);
  });

/** Progress with its rate, begun when something is first done. */
function rateProgress(what: string, reporter: Reporter) {
  let began: { time: number; done: number } | undefined;
  return {
    onProgress(done: number, total: number): void {
      if (!began) {
        reporter.begin(what, total);
        began = { time: performance.now(), done };
      }
      const rate = (done - began.done) / ((performance.now() - began.time) / 1000);
      reporter.update(done, Number.isFinite(rate) && rate > 0 ? `${rate.toPrecision(3)} a second` : "");
    },
    end(): void {
      if (began) reporter.end();
    },
  };
}

/** Says what a preparation did. */
function say(
  what: string,
  destination: string,
  result: PrepareResult,
  { json }: Options,
  { note }: Reporter,
): void {
  const { count, written, skipped, broken, others, finished } = result;
  for (const { name, error } of broken.slice(0, 10)) note(`left out ${name}: ${error}`);
  if (broken.length > 10)
    note(`and ${broken.length - 10} more${finished ? `, see ${destination}/broken.json` : ""}`);
  if (others.length > 0)
    note(
      `left out ${others.length} image${others.length > 1 ? "s" : ""} of other kinds, such as ${others[0]}; expected JPEG, PNG, WebP, GIF or TIFF`,
    );
  if (json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  else if (finished)
    process.stdout.write(
      `${destination}: ${count - broken.length} ${what}${skipped ? `, ${written} of them new` : ""}${broken.length ? `; ${broken.length} could not be read` : ""}\n`,
    );
}

const images = (): Command =>
  shared(new Command("images"))
    .description("crop a folder or ZIP archive of images to squares, as ADM does")
    .argument("<source>", "images in class folders, or with a dataset.json, or without labels")
    .argument("<destination>", "folder for PNG files and dataset.json")
    .option("--size <pixels>", "side of the images", positiveInteger, 256)
    .option("--threads <number>", "threads (default: DITLAB_THREADS, or the processors)", positiveInteger)
    .action((source: string, destination: string, options: Options & { size: number; threads?: number }) => {
      const { size, threads } = options;
      return prepare("images", { kind: "images", source, destination, size }, options, threads);
    });

const latents = (): Command =>
  shared(withDevice(new Command("latents")))
    .description("encode images of one size with a VAE: mean and standard deviation, a .npy file for each")
    .argument("<source>", "what 'prepare images' made")
    .argument("<destination>", "folder for .npy files and dataset.json")
    .requiredOption("--vae <folder>", "diffusers' files of the VAE, or the name of a published one")
    .action((source: string, destination: string, options: Options & { vae: string }) =>
      prepare("latents", { kind: "latents", source, destination, vae: options.vae }, options),
    );

interface FeatureOptions {
  encoder: string;
  grid: number;
  attention?: number[];
}

const features = (): Command =>
  shared(withDevice(new Command("features")))
    .description("encode square images with DINOv2, for REPA: a .npy file of patch features for each")
    .argument("<source>", "what 'prepare images' made")
    .argument("<destination>", "folder for .npy files and dataset.json")
    .requiredOption(
      "--encoder <path>",
      "folder or file of DINOv2's weights, such as facebook/dinov2-base's, or any encoder of patches as an .onnx file",
    )
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
    .action((source: string, destination: string, options: Options & FeatureOptions) => {
      const { encoder, grid, attention } = options;
      const task = { kind: "features", source, destination, encoder, grid, attention } as const;
      return prepare("features", task, options);
    });

interface ShardOptions {
  shardSize?: number;
  array?: Record<string, string>;
}

const shards = (): Command =>
  shared(new Command("shards"))
    .description("pack latents, or images of one size, into a few large files in random order")
    .argument("<source>", "what 'prepare latents' or 'prepare images' made")
    .argument("<destination>", "folder for the shards and index.json")
    .option("--shard-size <number>", "examples in a shard (default: 128 MiB of them)", positiveInteger)
    .option(
      "--array <name=file>",
      "an array to pack along: an .npy file [images, ...], or what 'prepare features' made, by name, in the order of the source's names (repeatable)",
      namedFile,
    )
    .action((source: string, destination: string, options: Options & ShardOptions) => {
      const { shardSize, array: arrays } = options;
      return prepare("examples", { kind: "shards", source, destination, shardSize, arrays }, options);
    });

const captions = (): Command =>
  shared(withDevice(new Command("captions")))
    .description("encode the captions of images, as COCO distributes them, for a text-to-image model")
    .argument("<source>", "the images that 'prepare images' was given")
    .argument("<annotations>", "COCO's captions_*.json")
    .argument("<destination>", "folder for captions.json and the features' files")
    .requiredOption(
      "--encoder <folder>",
      "CLIP's text encoder: config.json, model.safetensors or model.onnx, tokenizer.json and tokenizer_config.json",
    )
    .option(
      "--shard-size <number>",
      "texts in a file of features (default: 256 MiB of them)",
      positiveInteger,
    )
    .action(
      (
        source: string,
        annotations: string,
        destination: string,
        options: Options & { encoder: string; shardSize?: number },
      ) => {
        const { encoder, shardSize } = options;
        const task = { kind: "captions", source, annotations, destination, encoder, shardSize } as const;
        return prepare("captions", task, options);
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

export const prepareCommand = (): Command =>
  new Command("prepare")
    .description("make training data of images; each step goes on where it was stopped")
    .addCommand(images())
    .addCommand(latents())
    .addCommand(features())
    .addCommand(shards())
    .addCommand(captions())
    .addCommand(pictures())
    .addCommand(referenceCommand());
