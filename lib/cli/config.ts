/** Where a command's training config comes from: a preset or a file, changed by options. */
import { type Command, Option } from "commander";
import { ALIGN_WEIGHT, paperSRA, referenceAlignWeight } from "../align/paper.ts";
import { type DatasetName, loadDataset } from "../data/index.ts";
import { PAPER_PRESETS, paperConfig } from "../experiments/paper.ts";
import { armConfig, SCALES, type ScaleName } from "../experiments/presets.ts";
import { readBytes } from "../io/index.ts";
import { checkTransformerConfig } from "../models/config.ts";
import { type ModelName, modelConfig, parseModelName } from "../models/zoo.ts";
import type { Schedule } from "../optim/index.ts";
import { warmup, warmupAndDecay } from "../optim/schedules.ts";
import { describeField, nearest } from "../schema.ts";
import { checkTrainConfig, trainConfigFields } from "../train/config.ts";
import type { TrainConfig } from "../train/index.ts";
import { anyInteger, dataFolderOption, datasetOption, integer, positiveInteger, real } from "./options.ts";

export interface ConfigOptions {
  dataset: DatasetName;
  data?: string;
  preset: string;
  config?: string;
  baseline?: boolean;
  model?: string;
  size?: number;
  classes?: number;
  patchSize?: number;
  seed?: number;
  steps?: number;
  batchSize?: number;
  accumulate?: number;
  microBatches?: number;
  remat?: boolean;
  alignWeight?: number | "reference";
  learningRate?: number;
  warmup?: number;
  decay?: "linear" | "cosine";
  weightDecay?: number;
  maxGradientNorm?: number;
  emaDecay?: number[];
  classDropout?: number;
  logEvery?: number;
  checkpointEvery?: number;
  keepCheckpoints?: number;
  keepEvery?: number;
  sampleEvery?: number;
}

/** An option for a field of the config, which says of it what the schema does. */
const fieldOption = <T>(flags: string, path: string, parse: (value: string, previous?: T) => T): Option => {
  const text = describeField(trainConfigFields, path);
  return new Option(flags, `${text[0].toLowerCase()}${text.slice(1).replace(/\.$/, "")}`).argParser(
    parse as (value: string, previous: T) => T,
  );
};

const several = (value: string, previous: number[] = []): number[] => [...previous, real(value)];

const presetHelp = `settings to start from: ${Object.keys(SCALES).join(", ")}, or the paper's on ImageNet, as sit-b-2-imagenet256`;

export const withConfigOptions = (command: Command): Command =>
  command
    .addOption(datasetOption())
    .addOption(dataFolderOption())
    .addOption(new Option("--preset <name>", presetHelp).default("small"))
    .option("--config <file>", "a config.json instead of a preset")
    .option("--baseline", "without SRA")
    .option("--model <name>", `one of the papers' models, as SiT-B/2, or a .json file with a model's config`)
    .option(
      "--size <pixels>",
      "side of the model's input (default: that of --images, or the preset's)",
      positiveInteger,
    )
    .option("--classes <number>", "classes (default: those of --images, or the preset's)", positiveInteger)
    .addOption(fieldOption("--patch-size <pixels>", "model.patchSize", positiveInteger))
    .addOption(fieldOption("--seed <number>", "seed", anyInteger))
    .addOption(fieldOption("--steps <number>", "steps", positiveInteger))
    .addOption(fieldOption("--batch-size <number>", "batchSize", positiveInteger))
    .addOption(fieldOption("--accumulate <number>", "accumulate", positiveInteger))
    .addOption(fieldOption("--micro-batches <number>", "microBatches", positiveInteger))
    .option("--remat", "compute blocks again for the gradient: about a third more time, far less memory")
    .addOption(alignWeightOption())
    .addOption(fieldOption("--learning-rate <number>", "learningRate", real))
    .option("--warmup <steps>", "steps in which the learning rate rises from 0", integer)
    .addOption(
      new Option("--decay <shape>", "let the learning rate fall to 0 until the last step").choices([
        "linear",
        "cosine",
      ]),
    )
    .addOption(fieldOption("--weight-decay <number>", "adamW.weightDecay", real))
    .addOption(fieldOption("--max-gradient-norm <number>", "maxGradientNorm", real))
    .option(
      "--ema-decay <numbers...>",
      "decays of the moving averages: SRA's teacher, and further ones to sample from",
      several,
    )
    .addOption(fieldOption("--class-dropout <number>", "classDropout", real))
    .addOption(fieldOption("--log-every <steps>", "logEvery", positiveInteger))
    .addOption(fieldOption("--checkpoint-every <steps>", "checkpointEvery", positiveInteger))
    .addOption(fieldOption("--keep-checkpoints <number>", "keepCheckpoints", positiveInteger))
    .addOption(fieldOption("--keep-every <steps>", "keepEvery", positiveInteger))
    .addOption(fieldOption("--sample-every <steps>", "sampleEvery", positiveInteger));

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

/** The content of a JSON file. */
export async function readJson(path: string): Promise<unknown> {
  const text = new TextDecoder().decode(await readBytes(path));
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${path} is not JSON: ${(error as Error).message}`);
  }
}

/** The training config in a file. @throws naming the file, and every field that is missing, unknown or wrong. */
export async function readTrainConfig(path: string): Promise<TrainConfig> {
  const config = (await readJson(path)) as TrainConfig;
  try {
    checkTrainConfig(config);
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
  }
  return config;
}

/** A model by name, or the config in a file. */
export async function readModel(model: string): Promise<ModelName | TrainConfig["model"]> {
  if (!model.endsWith(".json")) {
    parseModelName(model);
    return model as ModelName;
  }
  const config = (await readJson(model)) as TrainConfig["model"];
  try {
    checkTransformerConfig(config);
  } catch (error) {
    throw new Error(`${model}: ${(error as Error).message}`, { cause: error });
  }
  return config;
}

/** The config of a file, or of a preset. */
export async function readConfig({
  config,
  preset,
  baseline,
  dataset,
  data,
}: ConfigOptions): Promise<TrainConfig> {
  if (config) return readTrainConfig(config);
  const arm = baseline ? "baseline" : "sra";
  if (preset in SCALES)
    return armConfig(SCALES[preset as ScaleName], await loadDataset(dataset, { folder: data }), arm, 0);
  if (!PAPER_PRESETS.includes(preset)) {
    const names = [...Object.keys(SCALES), ...PAPER_PRESETS];
    const meant = nearest(preset, names);
    throw new Error(
      `unknown preset '${preset}'${meant ? `, did you mean ${meant}?` : ""}; expected ${Object.keys(SCALES).join(", ")}, or a model and a resolution, as in sit-b-2-imagenet256`,
    );
  }
  return paperConfig(preset, arm);
}

/** What the images at hand are, for a model that has to fit them. */
export interface DataShape {
  shape: readonly [channels: number, height: number, width: number];
  classes: number;
}

/** A config whose model is another, or fits other data. */
export async function withModel(
  base: TrainConfig,
  { model: name, size, classes, patchSize }: ConfigOptions,
  data?: DataShape,
): Promise<TrainConfig> {
  const given = {
    inputSize: size ?? data?.shape[1],
    inChannels: data?.shape[0],
    numClasses: classes ?? (data && Math.max(1, data.classes)),
    patchSize,
  };
  const changes = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const chosen = name === undefined ? base.model : await readModel(name);
  if (typeof chosen !== "string") return { ...base, model: { ...chosen, ...changes } };
  const { inputSize, inChannels, numClasses, projectionHead } = base.model;
  const model = modelConfig(chosen, { inputSize, inChannels, numClasses, projectionHead, ...changes });
  if (!base.sra) return { ...base, model };
  // Another model has other blocks, and a DiT's interval and lambda are of another scale.
  const family = model.diffusion ? "DiT" : "SiT";
  const { studentBlock, teacherBlock, interval } = paperSRA(chosen);
  const sra = { ...base.sra, studentBlock, teacherBlock, interval };
  return { ...base, model, sra, alignWeight: family === "DiT" ? ALIGN_WEIGHT.DiT : base.alignWeight };
}

/** The learning rate that options ask for; what they leave out is as it was. */
function learningRateOf(
  { learningRate, warmup: rise, decay }: ConfigOptions,
  { learningRate: was, steps }: TrainConfig,
): Schedule | undefined {
  if (learningRate === undefined && rise === undefined && decay === undefined) return undefined;
  const curve = typeof was === "number" ? undefined : [was].flat()[0];
  const value = learningRate ?? (typeof was === "number" ? was : Math.max(curve!.from, curve!.to));
  const steady = rise ?? (curve?.from === 0 ? curve.steps : 0);
  return decay ? warmupAndDecay(value, steady, steps, decay) : warmup(value, steady);
}

/** A config with what options change. */
export function withOptions(before: TrainConfig, options: ConfigOptions): TrainConfig {
  const { sra, ...plain } = before;
  const base: TrainConfig = options.baseline || !sra ? plain : before;
  const { steps = base.steps, weightDecay, emaDecay } = options;
  const changed: Partial<TrainConfig> = {
    seed: options.seed,
    steps,
    batchSize: options.batchSize,
    accumulate: options.accumulate,
    microBatches: options.microBatches,
    remat: options.remat,
    alignWeight: weightOf(options.alignWeight, base),
    learningRate: learningRateOf(options, { ...base, steps }),
    adamW: weightDecay === undefined ? undefined : { ...base.adamW, weightDecay },
    maxGradientNorm: options.maxGradientNorm,
    emaDecay: emaDecay?.[0],
    moreEmaDecays: emaDecay && emaDecay.length > 1 ? emaDecay.slice(1) : undefined,
    classDropout: options.classDropout,
    logEvery: options.logEvery,
    checkpointEvery: options.checkpointEvery,
    keepCheckpoints: options.keepCheckpoints,
    keepEvery: options.keepEvery,
    sampleEvery: options.sampleEvery,
  };
  const given = Object.entries(changed).filter(([, value]) => value !== undefined);
  return { ...base, ...Object.fromEntries(given) };
}
