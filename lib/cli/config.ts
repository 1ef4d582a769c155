/** Where a command's training config comes from: a preset or a file. */
import { readFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import { referenceAlignWeight } from "../align/index.ts";
import { type DatasetName, loadDataset } from "../data/index.ts";
import { paperConfig } from "../experiments/paper.ts";
import { armConfig, SCALES, type ScaleName } from "../experiments/presets.ts";
import type { Schedule } from "../optim/index.ts";
import type { TrainConfig } from "../train/index.ts";
import { dataFolderOption, datasetOption, positiveInteger, real } from "./options.ts";

export interface ConfigOptions {
  dataset: DatasetName;
  data?: string;
  preset: string;
  config?: string;
  baseline?: boolean;
  seed?: number;
  steps?: number;
  accumulate?: number;
  batchSize?: number;
  microBatches?: number;
  remat?: boolean;
  alignWeight?: number | "reference";
}

export const withConfigOptions = (command: Command): Command =>
  command
    .addOption(datasetOption())
    .addOption(dataFolderOption())
    .addOption(
      new Option(
        "--preset <name>",
        `settings to start from: ${Object.keys(SCALES).join(", ")}, or the paper's on ImageNet, as sit-b-2-imagenet256`,
      ).default("small"),
    )
    .option("--config <file>", "a config.json instead of a preset")
    .option("--baseline", "without SRA")
    .option("--batch-size <number>", "images a step", positiveInteger)
    .option(
      "--micro-batches <number>",
      "parts of a batch inside the compiled step (default: chosen)",
      positiveInteger,
    )
    .option("--remat", "compute blocks again for the gradient: about a third more time, far less memory")
    .addOption(alignWeightOption());

export const alignWeightOption = (): Option =>
  new Option(
    "--align-weight <number>",
    "lambda, or 'reference': falling over the epochs as in the released code",
  ).argParser((value): number | "reference" => (value === "reference" ? value : real(value)));

/** lambda that an option asks for. */
export function weightOf(
  option: ConfigOptions["alignWeight"],
  { model, sra }: TrainConfig,
): Schedule | undefined {
  if (option !== "reference") return option;
  const resolution = model.inputSize * 8;
  if (resolution !== 256 && resolution !== 512)
    throw new Error(
      `--align-weight reference is for latents of 256 or 512 pixels, got a model of ${resolution}`,
    );
  return referenceAlignWeight(model.diffusion ? "DiT" : "SiT", resolution, { distance: sra?.distance });
}

/** The config of a file, or of a preset. */
export const readConfig = (options: ConfigOptions): Promise<TrainConfig> =>
  options.config ? (readJson(options.config) as Promise<TrainConfig>) : presetConfig(options);

/** A config with what options change. */
export function withOptions(base: TrainConfig, options: ConfigOptions): TrainConfig {
  const { sra, ...plain } = base;
  const config: TrainConfig = options.baseline || !sra ? plain : base;
  const changed = {
    seed: options.seed,
    steps: options.steps,
    batchSize: options.batchSize,
    accumulate: options.accumulate,
    microBatches: options.microBatches,
    remat: options.remat,
    alignWeight: weightOf(options.alignWeight, base),
  };
  const given = Object.entries(changed).filter(([, value]) => value !== undefined);
  return { ...config, ...Object.fromEntries(given) };
}

/** The content of a JSON file. */
export async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, "utf8");
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${path} is not JSON: ${(error as Error).message}`);
  }
}

async function presetConfig({ dataset, data, preset, baseline }: ConfigOptions): Promise<TrainConfig> {
  const arm = baseline ? "baseline" : "sra";
  if (!(preset in SCALES)) return paperConfig(preset, arm);
  return armConfig(SCALES[preset as ScaleName], await loadDataset(dataset, { folder: data }), arm, 0);
}
