/** Where a command's training config comes from: a preset or a file. */
import { readFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import { type DatasetName, loadDataset } from "../data/index.ts";
import { armConfig, SCALES, type ScaleName } from "../experiments/presets.ts";
import type { TrainConfig } from "../train/index.ts";
import { dataFolderOption, datasetOption, positiveInteger } from "./options.ts";

export interface ConfigOptions {
  dataset: DatasetName;
  data?: string;
  preset: ScaleName;
  config?: string;
  baseline?: boolean;
  batchSize?: number;
  microBatches?: number;
  remat?: boolean;
}

export const withConfigOptions = (command: Command): Command =>
  command
    .addOption(datasetOption())
    .addOption(dataFolderOption())
    .addOption(
      new Option("--preset <scale>", "settings to start from").choices(Object.keys(SCALES)).default("small"),
    )
    .option("--config <file>", "a config.json instead of a preset")
    .option("--baseline", "without SRA")
    .option("--batch-size <number>", "images a step", positiveInteger)
    .option(
      "--micro-batches <number>",
      "parts of a batch inside the compiled step (default: chosen)",
      positiveInteger,
    )
    .option("--remat", "compute blocks again for the gradient: about a third more time, far less memory");

/** The config of a file, or of a preset, with what other options change. */
export async function readConfig(options: ConfigOptions): Promise<TrainConfig> {
  const base = await (options.config
    ? (readJson(options.config) as Promise<TrainConfig>)
    : presetConfig(options));
  const { batchSize = base.batchSize, microBatches = base.microBatches, remat = base.remat } = options;
  return { ...base, batchSize, ...(microBatches && { microBatches }), ...(remat && { remat }) };
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
  const images = await loadDataset(dataset, { folder: data });
  return armConfig(SCALES[preset], images, baseline ? "baseline" : "sra", 0);
}
