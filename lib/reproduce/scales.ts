/** At which scale the experiments are run: what a setting is trained as, on what, and how it is measured. */
import { type MethodConfig, methodPreset } from "../align/index.ts";
import { paperSRA } from "../align/presets.ts";
import type { DatasetName } from "../data/index.ts";
import { DIT_PROCESS, SIT_PROCESS } from "../diffusion/index.ts";
import { paperConfig, TEXT_PRESET, TEXT_STEPS } from "../experiments/paper.ts";
import type { EvaluationScale } from "../experiments/presets.ts";
import { TRANSFORMER_DEFAULTS } from "../models/config.ts";
import type { NetworkConfig } from "../models/make.ts";
import type { MMDiTConfig } from "../models/mmdit-config.ts";
import { ADAMW_DEFAULTS } from "../optim/adamw.ts";
import { cosineEma, type Schedule, warmup } from "../optim/schedules.ts";
import { TRAIN_DEFAULTS, type TrainConfig } from "../train/config.ts";
import { DEPTHS, type ModelSetting, type Sizes } from "./experiment.ts";
import type { Size } from "./paper.ts";

/** A scale that trains and measures here. */
export interface SmallScale extends Sizes {
  /** What to expect, shown in `--help`. */
  readonly about: string;
  readonly seeds: readonly number[];
  /** Trained without classes, whose knowledge has to come from the network itself. */
  readonly dataset: DatasetName;
  /** What differs where pictures have captions: the data set that they are made of, and how long models take to learn those. */
  readonly captioned: Pick<SmallScale, "dataset" | "steps">;
  /** The text-to-image model. */
  readonly textModel: Pick<MMDiTConfig, "depth" | "hiddenSize" | "numHeads" | "patchSize">;
  readonly widths: Readonly<Record<Size, readonly [hiddenSize: number, numHeads: number]>>;
  readonly patchSize: number;
  readonly steps: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly evaluation: EvaluationScale;
}

/**
 * Small enough to learn in minutes what a caption says: in pilots all corners were right after 750 steps, but with 6 blocks
 * (at half the rate) 39 % after 1,000. A patch of 7 lies in one quarter of a picture, as what is shown does.
 */
const TEXT_MODEL = { depth: 4, hiddenSize: 96, numHeads: 4, patchSize: 7 } as const;
const WIDTHS = { B: [48, 4], L: [64, 4], XL: [72, 4] } as const;

export const SMALL_SCALES = {
  tiny: {
    about: "table 1 and 6 with two seeds in ninety minutes on two cores",
    seeds: [10, 11],
    dataset: "fashion-mnist",
    captioned: { dataset: "mnist", steps: 6000 },
    textModel: TEXT_MODEL,
    trained: ["B"],
    probed: "B",
    judged: "facts",
    widths: WIDTHS,
    patchSize: 7,
    steps: 1500,
    batchSize: 32,
    learningRate: 2e-3,
    evaluation: {
      generated: 1000,
      samplerSteps: 20,
      reference: 10000,
      probeTrain: 2000,
      probeTest: 2000,
      probeTimesteps: [0.1, 0.3, 0.5, 0.7],
    },
  },
  small: {
    about: "a night or more on two cores: eight seeds, more steps, smaller patches",
    seeds: [10, 11, 12, 13, 14, 15, 16, 17],
    dataset: "fashion-mnist",
    captioned: { dataset: "mnist", steps: 20000 },
    textModel: TEXT_MODEL,
    trained: ["B", "L"],
    probed: "B",
    judged: "facts",
    widths: { B: [128, 4], L: [144, 4], XL: [160, 4] },
    patchSize: 4,
    steps: 20000,
    batchSize: 64,
    learningRate: 1e-3,
    evaluation: {
      generated: 5000,
      samplerSteps: 50,
      reference: 10000,
      probeTrain: 4000,
      probeTest: 4000,
      probeTimesteps: [0.1, 0.3, 0.5, 0.7],
    },
  },
} as const satisfies Record<string, SmallScale>;

/** A scale as it is for pictures with captions. */
export const captionedScale = (scale: SmallScale): SmallScale => ({ ...scale, ...scale.captioned });

export const SCALE_NAMES = [
  ...(Object.keys(SMALL_SCALES) as (keyof typeof SMALL_SCALES)[]),
  "paper",
] as const;
export type ReproduceScaleName = (typeof SCALE_NAMES)[number];

/** What the paper trains: all sizes, of which XL is looked into. */
export const PAPER_SIZES: Sizes = {
  trained: ["B", "L", "XL"],
  probed: "XL",
  judged: "pickscore",
};

/** Steps of the paper's runs, which its moving averages are measured by: on ImageNet, and of text to image. */
const paperSteps = ({ family }: ModelSetting): number => (family === "MMDiT" ? TEXT_STEPS : 400_000);

/**
 * The teacher's moving average, which are also the weights that are measured: over the paper's steps its 0.9999, or its
 * rise from 0.996 to 1, and over fewer what remembers as much of the run.
 */
function decayOf(setting: ModelSetting, steps: number): Schedule {
  const { average = "slow" } = setting;
  if (average === "none") return 0;
  /** The decay that reaches back over the share of a run that so many steps are of the paper's. */
  const decayOver = (reach: number): number =>
    1 - 1 / Math.max(1, Math.round((reach * steps) / paperSteps(setting)));
  // However short the run is, a slow average is one.
  return average === "slow" ? Math.max(0.5, decayOver(10_000)) : cosineEma(steps, decayOver(250));
}

const processOf = ({ family }: ModelSetting) => (family === "DiT" ? DIT_PROCESS : SIT_PROCESS);

/** What helps a setting's model, of some depth, learn. */
function methodsOf(setting: ModelSetting, depth: number): MethodConfig[] {
  const { sra, method } = setting;
  const trained = { depth, process: processOf(setting) };
  if (method) return [methodPreset(method, trained)];
  if (!sra) return [];
  const paper = paperSRA(trained);
  if (sra === "paper") return [paper];
  const { layers, interval, lambda, head } = sra;
  const [studentBlock, teacherBlock] = layers;
  return [{ ...paper, studentBlock, teacherBlock, interval, weight: lambda, projectionHead: head }];
}

/** What a small scale trains on, as far as a model depends on it. */
export interface TrainedOn {
  readonly height: number;
  readonly channels: number;
  /** Features of a caption, where pictures have some. */
  readonly captions?: readonly number[];
}

/** The model of a setting at a small scale. */
function smallModel(
  { patchSize, widths, textModel }: SmallScale,
  { family, size }: ModelSetting,
  { height, channels, captions }: TrainedOn,
): NetworkConfig {
  const input = { inputSize: height, inChannels: channels };
  if (family === "MMDiT") {
    if (!captions)
      throw new Error("a text-to-image model is trained on captions; expected pictures with some");
    const [textTokens, textWidth] = captions;
    const { mlpRatio } = TRANSFORMER_DEFAULTS;
    return { type: "mmdit", ...input, ...textModel, mlpRatio, textTokens, textWidth };
  }
  const [hiddenSize, numHeads] = widths[size];
  return {
    ...TRANSFORMER_DEFAULTS,
    ...input,
    ...(family === "DiT" && { outChannels: 2 * channels }),
    numClasses: 0,
    patchSize,
    hiddenSize,
    depth: DEPTHS[size],
    numHeads,
  };
}

/** The training of a setting at a small scale. */
export function smallConfig(
  scale: SmallScale,
  setting: ModelSetting,
  images: TrainedOn,
  seed: number,
): TrainConfig {
  const { steps, batchSize, learningRate } = scale;
  const model = smallModel(scale, setting, images);
  return {
    seed,
    model,
    process: processOf(setting),
    methods: methodsOf(setting, model.depth),
    steps,
    batchSize,
    learningRate: warmup(learningRate, Math.min(100, Math.ceil(steps / 10))),
    adamW: ADAMW_DEFAULTS,
    maxGradientNorm: 1,
    emaDecay: decayOf(setting, steps),
    // Captions are guided away from the empty one.
    classDropout: setting.family === "MMDiT" ? TRAIN_DEFAULTS.classDropout : 0,
    logEvery: Math.max(1, Math.round(steps / 100)),
    checkpointEvery: Math.max(1, Math.round(steps / 8)),
  };
}

/** The training of a setting as the paper has it, on ImageNet 256x256, of the text-to-image model on COCO. */
export function fullConfig(setting: ModelSetting, seed: number): TrainConfig {
  const preset =
    setting.family === "MMDiT"
      ? TEXT_PRESET
      : `${setting.family}-${setting.size}-2-imagenet256`.toLowerCase();
  const config = paperConfig(preset, []);
  return {
    ...config,
    seed,
    methods: methodsOf(setting, config.model.depth),
    emaDecay: decayOf(setting, config.steps),
  };
}
