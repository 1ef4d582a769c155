/** At which scale the experiments are run: what a setting is trained as, on what, and how it is measured. */
import { type MethodConfig, methodPreset } from "../align/index.ts";
import { paperSRA } from "../align/presets.ts";
import type { DatasetName } from "../data/index.ts";
import { DIT_PROCESS, SIT_PROCESS } from "../diffusion/index.ts";
import { paperConfig } from "../experiments/paper.ts";
import type { EvaluationScale } from "../experiments/presets.ts";
import { TRANSFORMER_DEFAULTS } from "../models/config.ts";
import { ADAMW_DEFAULTS } from "../optim/adamw.ts";
import { cosineEma, type Schedule, warmup } from "../optim/schedules.ts";
import type { TrainConfig } from "../train/config.ts";
import { DEPTHS, type ModelSetting, type Sizes } from "./experiment.ts";
import type { Size } from "./paper.ts";

/** A scale that trains and measures here. */
export interface SmallScale extends Sizes {
  /** What to expect, shown in `--help`. */
  readonly about: string;
  readonly seeds: readonly number[];
  /** Trained without classes, whose knowledge has to come from the network itself. */
  readonly dataset: DatasetName;
  readonly widths: Readonly<Record<Size, readonly [hiddenSize: number, numHeads: number]>>;
  readonly patchSize: number;
  readonly steps: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly evaluation: EvaluationScale;
}

const WIDTHS = { B: [48, 4], L: [64, 4], XL: [72, 4] } as const;

export const SMALL_SCALES = {
  tiny: {
    about: "table 1 and 6 with two seeds in ninety minutes on two cores",
    seeds: [10, 11],
    dataset: "fashion-mnist",
    trained: ["B"],
    probed: "B",
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
    trained: ["B", "L"],
    probed: "B",
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

export const SCALE_NAMES = [
  ...(Object.keys(SMALL_SCALES) as (keyof typeof SMALL_SCALES)[]),
  "paper",
] as const;
export type ReproduceScaleName = (typeof SCALE_NAMES)[number];

/** What the paper trains: all sizes, of which XL is looked into. */
export const PAPER_SIZES: Sizes = { trained: ["B", "L", "XL"], probed: "XL" };

/** Steps of the paper's runs, which its moving averages are measured by. */
const PAPER_STEPS = 400_000;

/** The decay that reaches back over the share of a run that so many steps are of the paper's. */
const decayOver = (paperSteps: number, steps: number): number =>
  1 - 1 / Math.max(1, Math.round((paperSteps * steps) / PAPER_STEPS));

/**
 * The teacher's moving average, which are also the weights that are measured: over 400,000 steps the paper's 0.9999, or its
 * rise from 0.996 to 1, and over fewer what remembers as much of the run.
 */
function decayOf({ average = "slow" }: ModelSetting, steps: number): Schedule {
  if (average === "none") return 0;
  // However short the run is, a slow average is one.
  return average === "slow"
    ? Math.max(0.5, decayOver(10_000, steps))
    : cosineEma(steps, decayOver(250, steps));
}

const processOf = ({ family }: ModelSetting) => (family === "SiT" ? SIT_PROCESS : DIT_PROCESS);

/** What helps a setting learn. */
function methodsOf(setting: ModelSetting): MethodConfig[] {
  const { size, sra, method } = setting;
  const trained = { depth: DEPTHS[size], process: processOf(setting) };
  if (method) return [methodPreset(method, trained)];
  if (!sra) return [];
  const paper = paperSRA(trained);
  if (sra === "paper") return [paper];
  const { layers, interval, lambda, head } = sra;
  const [studentBlock, teacherBlock] = layers;
  return [{ ...paper, studentBlock, teacherBlock, interval, weight: lambda, projectionHead: head }];
}

/** The training of a setting at a small scale, of images of a size. */
export function smallConfig(
  scale: SmallScale,
  setting: ModelSetting,
  { height, channels }: { readonly height: number; readonly channels: number },
  seed: number,
): TrainConfig {
  const { steps, batchSize, learningRate, patchSize, widths } = scale;
  const [hiddenSize, numHeads] = widths[setting.size];
  const process = processOf(setting);
  return {
    seed,
    model: {
      ...TRANSFORMER_DEFAULTS,
      inputSize: height,
      inChannels: channels,
      ...(setting.family === "DiT" && { outChannels: 2 * channels }),
      numClasses: 0,
      patchSize,
      hiddenSize,
      depth: DEPTHS[setting.size],
      numHeads,
    },
    process,
    methods: methodsOf(setting),
    steps,
    batchSize,
    learningRate: warmup(learningRate, Math.min(100, Math.ceil(steps / 10))),
    adamW: ADAMW_DEFAULTS,
    maxGradientNorm: 1,
    emaDecay: decayOf(setting, steps),
    classDropout: 0,
    logEvery: Math.max(1, Math.round(steps / 100)),
    checkpointEvery: Math.max(1, Math.round(steps / 8)),
  };
}

/** The training of a setting as the paper has it, on ImageNet 256x256. */
export function fullConfig(setting: ModelSetting, seed: number): TrainConfig {
  const preset = `${setting.family}-${setting.size}-2-imagenet256`.toLowerCase();
  const config = paperConfig(preset, []);
  return { ...config, seed, methods: methodsOf(setting), emaDecay: decayOf(setting, config.steps) };
}
