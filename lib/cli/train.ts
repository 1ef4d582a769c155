import { basename, join } from "node:path";
import { Command } from "commander";
import {
  asTrainingData,
  type DatasetName,
  loadImageSet,
  openArrays,
  openCaptions,
  openTrainingData,
  type TrainingData,
  withArrays,
  withCaptions,
} from "../data/index.ts";
import type { Communicator } from "../distributed/communicator.ts";
import { tellFolder, wakeWatcher } from "../distributed/rank-process.ts";
import { isFirst } from "../distributed/share.ts";
import { PAPER_PRESETS } from "../experiments/paper.ts";
import {
  checkTrainConfig,
  type DataSource,
  latestCheckpoint,
  readTeacher,
  type TrainConfig,
  type TrainingStep,
  type TrainResult,
  train,
} from "../train/index.ts";
import { readDataSource } from "../train/run-folder.ts";
import { isLoss } from "../train/step.ts";
import { readVAE } from "../vae/index.ts";
import { readConfig, withModel, withOptions } from "./config.ts";
import { type ConfigOptions, withConfigOptions } from "./config-options.ts";
import { imageDecoder } from "./decoder.ts";
import { fetched } from "./download.ts";
import { type DryRunOptions, dryRun, LINK } from "./dry-run.ts";
import { EXIT } from "./exit.ts";
import { jsonOption, namedFile, positiveInteger, withDevice } from "./options.ts";
import { progressReporter } from "./progress.ts";
import { rankStopSignal, rankTimeoutOption, withRanks } from "./ranks.ts";

interface Options extends ConfigOptions, DryRunOptions {
  images?: string;
  vae?: string;
  array?: Record<string, string>;
  captions?: string;
  teacher?: string;
  out: string;
  resume?: boolean;
  dryRun?: boolean;
  rankTimeout: number;
  shardOptimizer?: boolean;
}

async function resumedConfig(folder: string): Promise<TrainConfig> {
  const found = await latestCheckpoint(join(folder, "checkpoints"));
  if (!found) throw new Error(`${folder} holds no checkpoint to resume from`);
  return found.checkpoint.config;
}

const summary = ({ step, checkpoint, trainSeconds, stepSeconds }: TrainResult) => ({
  step,
  checkpoint,
  trainSeconds,
  stepSeconds,
});

/** What of mixed precision is in use. */
const precisionText = ({ storage, products }: TrainingStep["precision"]): string =>
  storage === "float32"
    ? "Mixed precision is not to be had on this device: all is computed in float32."
    : `Mixed precision: ${storage} between kernels, products of ${products} with sums of float32.`;

type Given = (option: string) => boolean;

/** What a run is trained on: as it was begun, or as the options say; nothing where a preset needs images that are not given. */
async function sourceOf(options: Options, given: Given): Promise<DataSource | undefined> {
  const { images, vae, preset, dataset, data, captions, array = {} } = options;
  const chosen = ["images", "vae", "dataset", "data", "captions", "array"].some(given);
  const begun = options.resume && !chosen ? await readDataSource(options.out) : undefined;
  if (begun) return begun;
  const beside = {
    ...(captions !== undefined && { captions }),
    ...Object.fromEntries(Object.entries(array).map(([name, path]) => [ARRAY + name, path])),
  };
  if (images !== undefined) return { images, ...(vae !== undefined && { vae }), ...beside };
  if (vae !== undefined) throw new Error("--vae encodes the images of --images, which is missing");
  if (PAPER_PRESETS.includes(preset) && !options.config && !options.resume) return undefined;
  return { dataset, ...(data !== undefined && { data }), ...beside };
}

/** What the names of arrays have before them in a run's data source. */
const ARRAY = "array ";

/** @param inputSize side of the model's input; that of the images where it is to follow them */
export async function openSource(source: DataSource, inputSize: number | undefined): Promise<TrainingData> {
  const { images, vae, dataset, data, captions } = source;
  const opened =
    images === undefined
      ? await loadImageSet(dataset as DatasetName, "train", { folder: data })
      : await openTrainingData(images, {
          inputSize,
          ...(vae !== undefined && { vae: await readVAE(await fetched(vae)) }),
        });
  const arrays = Object.entries(source).filter(([name]) => name.startsWith(ARRAY));
  const paths = Object.fromEntries(arrays.map(([name, path]) => [name.slice(ARRAY.length), path]));
  const all = withArrays(asTrainingData(opened), await openArrays(paths));
  return captions === undefined ? all : withCaptions(all, await openCaptions(captions));
}

interface Run {
  config: TrainConfig;
  source?: DataSource;
  images?: TrainingData;
}

/** A run's config and data, which belong together: a model that no file or paper fixes is made to fit the images. */
async function runOf(options: Options, given: Given): Promise<Run> {
  // What is asked for beside a resumed run is compared with it: `train` refuses what contradicts.
  const begun = options.resume && !given("preset") && !given("config");
  const base = begun ? await resumedConfig(options.out) : await readConfig(options);
  const source = await sourceOf(options, given);
  const fits = source?.images !== undefined && !begun && !options.config;
  const fixed = !fits || (PAPER_PRESETS.includes(options.preset) && options.model === undefined);
  const inputSize = options.size ?? (fixed ? base.model.inputSize : undefined);
  const images = source && (await openSource(source, inputSize));
  const config = await withModel(base, options, fixed ? undefined : images);
  return { config: withOptions(config, options), source, images };
}

export const trainCommand = (): Command =>
  withConfigOptions(withDevice(new Command("train")))
    .description(
      "train a SiT, DiT or MMDiT, with SRA, another method or none, in a run folder that can be resumed",
    )
    .option("--images <path>", "train on shards, latents or images (see 'prepare') instead of --dataset")
    .option(
      "--vae <folder>",
      "diffusers' files of the VAE, or the name of a published one, that encodes --images as they are read",
    )
    .option(
      "--array <name=file>",
      "a further array of the images, as an encoder's features: an .npy file [images, ...] by name (repeatable)",
      namedFile,
    )
    .option(
      "--captions <folder>",
      "captions of the images, for a model that is told them: what 'prepare captions' made",
    )
    .option(
      "--teacher <folder>",
      "the run whose network is the frozen teacher of a method that has one: the first stage of self-transcendence",
    )
    .option("--out <folder>", "run folder", "runs/train")
    .option("--dry-run", "say what the run will take, measure a step, and train nothing")
    .option(
      "--ranks <number>",
      "with --dry-run: predict a step on so many processes like this one",
      positiveInteger,
    )
    .option(
      "--link <rate>",
      `with --ranks: what they exchange gradients over, as 25GB or 200Gb a second (default: ${LINK})`,
    )
    .option(
      "--shard-optimizer",
      "of a run on several ranks: each keeps the optimizer's state of some parameters alone (ZeRO-1)",
    )
    .option("--resume", "go on from the folder's newest checkpoint")
    .addOption(jsonOption())
    .addOption(rankTimeoutOption())
    .action((options: Options, command: Command) => {
      const given = (option: string): boolean => command.getOptionValueSource(option) === "cli";
      return withRanks(options, (ranks) => trainRun(options, given, ranks));
    });

async function trainRun(options: Options, given: Given, ranks: Communicator | undefined): Promise<void> {
  const { config, source, images } = await runOf(options, given);
  if (options.dryRun) {
    process.stdout.write(await dryRun(config, options));
    await images?.close();
    return;
  }
  if (!source || !images)
    throw new Error(
      `--preset ${options.preset} needs --images: latents of ImageNet, or images and a --vae ('ditlab prepare' makes them)`,
    );
  checkTrainConfig(config);
  if (options.teacher !== undefined && options.resume)
    throw new Error(
      `${options.out} has its frozen teacher in its checkpoints; expected no --teacher with --resume`,
    );
  const decoder = config.sampleEvery && source.vae ? await imageDecoder(source.vae, config.model) : undefined;
  const reporter = progressReporter();
  const signal = rankStopSignal(ranks, () =>
    reporter.note("\nStopping after this step; press Ctrl-C again to stop at once."),
  );
  reporter.begin(basename(options.out), config.steps);
  if (ranks && isFirst(ranks)) reporter.note(`${ranks.size} ranks by ${ranks.engine}.`);
  tellFolder(options.out);
  let isToldOf = (config.precision ?? "float32") === "float32";
  const result = await train(config, {
    folder: options.out,
    images,
    source,
    ...(ranks && { ranks, shardOptimizer: options.shardOptimizer }),
    ...(decoder && { decode: decoder.decode }),
    ...(options.teacher !== undefined && { frozenTeacher: await readTeacher(options.teacher, config) }),
    resume: options.resume,
    signal,
    onWarning: reporter.note,
    onProgress: ({ step, metrics, stepsPerSecond, secondsLeft, precision }) => {
      if (!isToldOf) reporter.note(precisionText(precision));
      isToldOf = true;
      const losses = Object.entries(metrics).map(([name, value]) =>
        isLoss(name) ? `${name} ${value.toFixed(4)}` : `${name} ${Number(value.toPrecision(5))}`,
      );
      reporter.update(
        step,
        `${losses.join("  ")}  ${stepsPerSecond.toFixed(1)} steps/s  ${Math.round(secondsLeft)} s left`,
      );
    },
  });
  reporter.end();
  await Promise.all([images.close(), decoder?.dispose()]);
  const stopped = result.step < config.steps;
  if (options.json && isFirst(ranks)) process.stdout.write(`${JSON.stringify(summary(result), null, 2)}\n`);
  else if (!stopped && isFirst(ranks))
    process.stdout.write(`${result.step} steps done: ${result.checkpoint}\n`);
  if (stopped) {
    reporter.note(`Saved step ${result.step}. Go on with: ditlab train --out ${options.out} --resume`);
    await ranks?.close();
    wakeWatcher();
    process.exit(EXIT.interrupted);
  }
}
