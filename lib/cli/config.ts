/** Where a command's training config comes from: a preset or a file. */
import { readFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import { type DatasetName, loadDataset } from "../data/index.ts";
import { armConfig, SCALES, type ScaleName } from "../experiments/presets.ts";
import type { TrainConfig } from "../train/index.ts";
import { dataFolderOption, datasetOption } from "./options.ts";

export interface ConfigOptions {
  dataset: DatasetName;
  data?: string;
  preset: ScaleName;
  config?: string;
  baseline?: boolean;
}

export const withConfigOptions = (command: Command): Command =>
  command
    .addOption(datasetOption())
    .addOption(dataFolderOption())
    .addOption(
      new Option("--preset <scale>", "settings to start from").choices(Object.keys(SCALES)).default("small"),
    )
    .option("--config <file>", "a config.json instead of a preset")
    .option("--baseline", "without SRA");

/** The config of a file, or of a preset. */
export async function readConfig({
  config,
  dataset,
  data,
  preset,
  baseline,
}: ConfigOptions): Promise<TrainConfig> {
  if (config) {
    const text = await readFile(config, "utf8");
    try {
      return JSON.parse(text);
    } catch (error) {
      throw new Error(`${config} is not JSON: ${(error as Error).message}`);
    }
  }
  const images = await loadDataset(dataset, { folder: data });
  return armConfig(SCALES[preset], images, baseline ? "baseline" : "sra", 0);
}
