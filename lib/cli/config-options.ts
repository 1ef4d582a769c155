/** The options of commands that make a training config. */
import { type Command, Option } from "commander";
import { METHOD_NAMES, type MethodName } from "../align/index.ts";
import type { DatasetName } from "../data/index.ts";
import { SCALES } from "../experiments/presets.ts";
import { PRECISIONS, type Precision } from "../jit/plan/precision.ts";
import { trainConfigFields } from "../train/config.ts";
import {
  anyInteger,
  dataFolderOption,
  datasetOption,
  integer,
  positiveInteger,
  real,
  schemaOption,
} from "./options.ts";

export interface ConfigOptions {
  dataset: DatasetName;
  data?: string;
  preset: string;
  config?: string;
  baseline?: boolean;
  method?: MethodName[];
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
  precision?: Precision;
  lossScaling?: "fixed" | "dynamic";
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

const fieldOption = <T>(flags: string, path: string, parse: (value: string, previous?: T) => T): Option =>
  schemaOption(trainConfigFields, flags, path, parse);

const several = (value: string, previous: number[] = []): number[] => [...previous, real(value)];

const presetHelp = `settings to start from: ${Object.keys(SCALES).join(", ")}, or the paper's on ImageNet, as sit-b-2-imagenet256`;

export const withConfigOptions = (command: Command): Command =>
  command
    .addOption(datasetOption())
    .addOption(dataFolderOption())
    .addOption(new Option("--preset <name>", presetHelp).default("small"))
    .option("--config <file>", "a config.json instead of a preset")
    .addOption(
      new Option("--method <names...>", "what helps the network learn (default: sra)").choices(METHOD_NAMES),
    )
    .addOption(new Option("--baseline", "without any method").conflicts("method"))
    .option("--model <name>", `one of the papers' models, as SiT-B/2, or a .json file with a model's config`)
    .option(
      "--size <pixels>",
      "side of the model's input (default: that of --images, or the preset's)",
      positiveInteger,
    )
    .option(
      "--classes <number>",
      "classes; 0 is a model that knows none (default: those of --images, or the preset's)",
      integer,
    )
    .addOption(fieldOption("--patch-size <pixels>", "model.patchSize", positiveInteger))
    .addOption(fieldOption("--seed <number>", "seed", anyInteger))
    .addOption(fieldOption("--steps <number>", "steps", positiveInteger))
    .addOption(fieldOption("--batch-size <number>", "batchSize", positiveInteger))
    .addOption(fieldOption("--accumulate <number>", "accumulate", positiveInteger))
    .addOption(fieldOption("--micro-batches <number>", "microBatches", positiveInteger))
    .option("--remat", "compute blocks again for the gradient: about a third more time, far less memory")
    .addOption(
      new Option("--precision <format>", "mixed precision on a GPU: how wide activations are").choices([
        ...PRECISIONS,
      ]),
    )
    .addOption(
      new Option(
        "--loss-scaling <kind>",
        "with --precision float16: scale the loss by as much as its gradients bear (dynamic), and skip steps beyond",
      ).choices(["fixed", "dynamic"]),
    )
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
      "decays of the moving averages: the teacher's, and further ones to sample from",
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
