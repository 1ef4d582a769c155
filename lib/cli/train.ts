import { freemem } from "node:os";
import { basename, join } from "node:path";
import { Command } from "commander";
import {
  type DatasetName,
  type ImageSet,
  loadImageSet,
  openTrainingData,
  type TrainingData,
} from "../data/index.ts";
import { PAPER_PRESETS } from "../experiments/paper.ts";
import { initTransformer } from "../models/index.ts";
import { randomStream } from "../tensor/index.ts";
import {
  checkTrainConfig,
  type DataSource,
  latestCheckpoint,
  measureStep,
  planTraining,
  type TrainConfig,
  type TrainResult,
  train,
} from "../train/index.ts";
import { readDataSource } from "../train/run-folder.ts";
import { readVAE } from "../vae/index.ts";
import { type ConfigOptions, readConfig, withConfigOptions, withOptions } from "./config.ts";
import { fetched } from "./download.ts";
import { EXIT, stopSignal } from "./exit.ts";
import { integer, jsonOption, positiveInteger } from "./options.ts";
import { progressReporter } from "./progress.ts";

interface Options extends ConfigOptions {
  images?: string;
  vae?: string;
  out: string;
  resume?: boolean;
  dryRun?: boolean;
  json?: boolean;
}

/** The config of a run: of its checkpoint, of a file, or of a preset; options change it. */
async function configOf(options: Options, given: (option: string) => boolean): Promise<TrainConfig> {
  // What is asked for beside a resumed run is compared with it: `train` refuses what contradicts.
  const begun = options.resume && !given("preset") && !given("config");
  return withOptions(begun ? await resumedConfig(options.out) : await readConfig(options), options);
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

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;

function duration(seconds: number): string {
  if (seconds < 90) return `${seconds.toPrecision(3)} s`;
  const hours = seconds / 3600;
  if (hours < 1.5) return `${Math.round(seconds / 60)} min`;
  return hours < 48 ? `${hours.toFixed(1)} h` : `${Math.round(hours / 24)} days`;
}

/** The plan of a run, with the time that it takes where its memory is free. */
async function dryRun(config: TrainConfig, { json }: Options): Promise<string> {
  checkTrainConfig(config);
  const plan = planTraining(config);
  const { weights, optimizer, activations } = plan.memory;
  const needed = weights + optimizer + activations;
  const fits = needed < 0.8 * freemem();
  const make = () => initTransformer(config.model, randomStream(config.seed, "weights"));
  const stepSeconds = fits ? await measureStep(config, make) : undefined;
  if (json) return `${JSON.stringify({ ...plan, stepSeconds }, null, 2)}\n`;
  const time =
    stepSeconds === undefined
      ? `not measured: ${gigabytes(needed)} needed, ${gigabytes(freemem())} free`
      : `at most ${duration(stepSeconds)} a step (${(plan.flopsPerStep / stepSeconds / 1e9).toFixed(0)} GFLOP/s), ${duration(stepSeconds * plan.steps)} in all`;
  const rows = [
    ["parameters", plan.parameters.toLocaleString("en")],
    ["weights, student and teacher", gigabytes(weights)],
    ["optimizer", gigabytes(optimizer)],
    ["activations and gradients", `about ${gigabytes(activations)}`],
    [
      "batch",
      `${config.batchSize} in ${plan.accumulate} run${plan.accumulate > 1 ? "s" : ""} of ${plan.microBatches} parts`,
    ],
    [
      "matrix products a step",
      `${(plan.flopsPerStep / 1e9).toLocaleString("en", { maximumFractionDigits: 1 })} GFLOP`,
    ],
    ["steps", plan.steps.toLocaleString("en")],
    ["time", time],
  ];
  return rows.map(([name, value]) => `${name.padEnd(30)}${value}\n`).join("");
}

/** What a run is trained on: as it was begun, or as the options say. */
async function sourceOf(options: Options, given: (option: string) => boolean): Promise<DataSource> {
  const { images, vae, preset, dataset, data } = options;
  const chosen = ["images", "vae", "dataset", "data"].some(given);
  const begun = options.resume && !chosen ? await readDataSource(options.out) : undefined;
  if (begun) return begun;
  if (images !== undefined) return { images, ...(vae !== undefined && { vae }) };
  if (vae !== undefined) throw new Error("--vae encodes the images of --images, which is missing");
  if (PAPER_PRESETS.includes(preset))
    throw new Error(
      `--preset ${preset} needs --images: latents of ImageNet, or images and a --vae ('ditlab prepare' makes them)`,
    );
  return { dataset, ...(data !== undefined && { data }) };
}

async function openSource(
  { images, vae, dataset, data }: DataSource,
  { model }: TrainConfig,
): Promise<ImageSet | TrainingData> {
  if (images === undefined) return loadImageSet(dataset as DatasetName, "train", { folder: data });
  return openTrainingData(images, {
    inputSize: model.inputSize,
    ...(vae !== undefined && { vae: await readVAE(await fetched(vae)) }),
  });
}

const close = (data: object): Promise<void> | undefined =>
  "close" in data ? (data as TrainingData).close() : undefined;

export const trainCommand = (): Command =>
  withConfigOptions(new Command("train"))
    .description("train a SiT or DiT, with SRA unless --baseline, in a run folder that can be resumed")
    .option("--images <path>", "train on shards, latents or images (see 'prepare') instead of --dataset")
    .option(
      "--vae <folder>",
      "diffusers' files of the VAE, or the name of a published one, that encodes --images as they are read",
    )
    .option("--accumulate <number>", "runs that a step's batch is split into: less memory", positiveInteger)
    .option("--seed <number>", "seed of weights, data order and noise", integer)
    .option("--steps <number>", "training steps in all", positiveInteger)
    .option("--out <folder>", "run folder", "runs/train")
    .option("--dry-run", "say what the run will take, measure a step, and train nothing")
    .option("--resume", "go on from the folder's newest checkpoint")
    .addOption(jsonOption())
    .action(async (options: Options, command: Command) => {
      const given = (option: string): boolean => command.getOptionValueSource(option) === "cli";
      const config = await configOf(options, given);
      if (options.dryRun) {
        process.stdout.write(await dryRun(config, options));
        return;
      }
      const reporter = progressReporter();
      const signal = stopSignal(() =>
        reporter.note("\nStopping after this step; press Ctrl-C again to stop at once."),
      );
      const source = await sourceOf(options, given);
      const images = await openSource(source, config);
      reporter.begin(basename(options.out), config.steps);
      const result = await train(config, {
        folder: options.out,
        images,
        source,
        resume: options.resume,
        signal,
        onWarning: reporter.note,
        onProgress: ({ step, metrics, stepsPerSecond, secondsLeft }) => {
          const losses = Object.entries(metrics).map(([name, value]) => `${name} ${value.toFixed(4)}`);
          reporter.update(
            step,
            `${losses.join("  ")}  ${stepsPerSecond.toFixed(1)} steps/s  ${Math.round(secondsLeft)} s left`,
          );
        },
      });
      reporter.end();
      await close(images);
      const stopped = result.step < config.steps;
      if (options.json) process.stdout.write(`${JSON.stringify(summary(result), null, 2)}\n`);
      else if (!stopped) process.stdout.write(`${result.step} steps done: ${result.checkpoint}\n`);
      if (stopped) {
        reporter.note(`Saved step ${result.step}. Go on with: ditlab train --out ${options.out} --resume`);
        process.exit(EXIT.interrupted);
      }
    });
