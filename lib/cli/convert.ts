import { extname, join } from "node:path";
import { Command, Option } from "commander";
import { paperConfig } from "../experiments/paper.ts";
import { isFolder } from "../io/folders.ts";
import {
  type NdArray,
  openWeights,
  type WeightsName,
  writeAtomic,
  writeSafetensors,
  writeTorch,
} from "../io/index.ts";
import {
  checkTrainConfig,
  latestCheckpoint,
  readCheckpoint,
  readReferenceState,
  writeCheckpoint,
  writeReferenceState,
} from "../train/index.ts";
import { checkNewRun, claimRunFolder } from "../train/run-folder.ts";
import { readTrainConfig, withWeight } from "./config.ts";
import { alignWeightOption } from "./config-options.ts";

interface Options {
  weights?: WeightsName;
  config?: string;
  alignWeight?: number | "reference";
}

const isTorch = (path: string): boolean => [".pt", ".pth"].includes(extname(path));
const isSafetensors = (path: string): boolean => extname(path) === ".safetensors";

/** One set of weights, by name, from any format to either. */
async function convertWeights(from: string, to: string, weights: WeightsName): Promise<string> {
  if (!isTorch(to) && !isSafetensors(to))
    throw new Error(`weights go to a file that ends in .pt, .pth or .safetensors, got ${to}`);
  const file = await openWeights(from, weights);
  try {
    const names = Object.keys(file.shapes);
    const state: Record<string, NdArray> = {};
    for (const name of names) state[name] = await file.read(name);
    await (isTorch(to) ? writeTorch(to, state) : writeSafetensors(to, state));
    return `${names.length} tensors: ${to}`;
  } finally {
    await file.close();
  }
}

/** A training checkpoint of ours, or a run's newest, as one that the reference resumes from. */
async function exportState(from: string, to: string): Promise<string> {
  const { state, config, step } = isSafetensors(from)
    ? await readCheckpoint(from)
    : (await newestOf(from)).checkpoint;
  await writeReferenceState(to, state, config, step);
  return `training state of step ${step}: ${to}`;
}

async function newestOf(run: string): Promise<NonNullable<Awaited<ReturnType<typeof latestCheckpoint>>>> {
  const found = await latestCheckpoint(join(run, "checkpoints"));
  if (!found) throw new Error(`${run} holds no checkpoint; expected a run folder or a checkpoint file`);
  return found;
}

/** A training checkpoint of the reference as a run of ours, to be resumed. */
async function importState(
  from: string,
  folder: string,
  { config: name = "", alignWeight }: Options,
): Promise<string> {
  await checkNewRun(folder);
  const base = name.endsWith(".json") ? await readTrainConfig(name) : paperConfig(name);
  const config = { ...base, methods: withWeight(alignWeight, base) };
  checkTrainConfig(config);
  const { state, steps } = await readReferenceState(from, config);
  await claimRunFolder(folder);
  await writeAtomic(join(folder, "config.json"), `${JSON.stringify(config, null, 2)}\n`);
  return writeCheckpoint(join(folder, "checkpoints"), { step: steps, state, config });
}

async function convert(from: string, to: string, options: Options): Promise<string> {
  const isRun = await isFolder(from);
  if (options.weights) return convertWeights(isRun ? (await newestOf(from)).path : from, to, options.weights);
  if (options.config) return importState(from, to, options);
  if ((isRun || isSafetensors(from)) && isTorch(to)) return exportState(from, to);
  throw new Error(
    "expected --weights for one set of weights, --config to make a run of the reference's checkpoint, " +
      `or a run or checkpoint of ours and a .pt file, got ${from} and ${to}`,
  );
}

export const convertCommand = (): Command =>
  new Command("convert")
    .description(
      "convert checkpoints: weights between PyTorch and safetensors (--weights), the reference's training state " +
        "to a run of ours (--config), or a run or checkpoint of ours to the reference's",
    )
    .argument("<from>", "run folder, or checkpoint: .pt, .pth or .safetensors")
    .argument("<to>", "file, or with --config a run folder")
    .addOption(new Option("--weights <name>", "only these weights").choices(["ema", "model"]))
    .option(
      "--config <name>",
      "config of the run that goes on from the reference's checkpoint: a .json file, or a preset of the paper's, as sit-xl-2-imagenet256",
    )
    .addOption(alignWeightOption())
    .action(async (from: string, to: string, options: Options) => {
      process.stdout.write(`${await convert(from, to, options)}\n`);
    });
