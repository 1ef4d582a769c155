/** The settings that papers and their released code give, by name: a line for each. */
import type { ProcessConfig } from "../diffusion/process.ts";
import { type Schedule, until } from "../optim/schedules.ts";
import type { DistanceName } from "./distances.ts";
import { DTS_AS_DEFAULTS } from "./dts-as.ts";
import type { MethodConfig } from "./methods.ts";
import type { REPAConfig } from "./repa.ts";
import { SRA_DEFAULTS, type SRAConfig } from "./sra.ts";

/** What a preset depends on. */
export interface Trained {
  /** Blocks of the network. */
  depth: number;
  process: ProcessConfig;
  /** Whether it is told captions. Default: classes. */
  captions?: boolean;
}

export type Blocks = readonly [student: number, teacher: number];

/** The authors' rule where nothing is tuned: the student's block at a quarter of the depth, the teacher's at three quarters. */
export const defaultBlocks = (depth: number): Blocks => [
  Math.max(1, Math.round(depth / 4)),
  Math.max(1, Math.round((3 * depth) / 4)),
];

/** Blocks m and n that the paper tuned (table 5), by depth: B, which the paper's missing S shares, L and XL. */
const PAPER_BLOCKS: Readonly<Record<ProcessConfig["type"], Readonly<Record<number, Blocks>>>> = {
  interpolant: { 12: [3, 8], 24: [6, 16], 28: [8, 20] },
  gaussian: { 12: [3, 7], 24: [6, 14], 28: [8, 16] },
};

/** lambda: table 1's for SiT; for DiT, whose loss has another scale, the released code's. */
export const ALIGN_WEIGHT = { interpolant: SRA_DEFAULTS.weight, gaussian: 0.04 } as const;

/** The share of time, or of all steps, within which the teacher's input is less noisy. */
const INTERVAL = 0.2;

/**
 * SRA as the paper trains a model: its blocks, or those of `defaultBlocks` for a depth that it does not have, and an
 * interval of [0, 0.2) in time or [0, 200) in steps.
 */
export function paperSRA({ depth, process }: Trained): SRAConfig {
  const [studentBlock, teacherBlock] = PAPER_BLOCKS[process.type][depth] ?? defaultBlocks(depth);
  const steps = process.type === "gaussian" ? process.steps : 1;
  return {
    ...SRA_DEFAULTS,
    weight: ALIGN_WEIGHT[process.type],
    studentBlock,
    teacherBlock,
    interval: [0, steps === 1 ? INTERVAL : Math.round(INTERVAL * steps)],
  };
}

/** SRA as its code trains since July 2026: the cosine at a constant weight, with which the loss does not grow late. */
const cosineSRA = (trained: Trained, cosineAxis: "feature" | "token"): SRAConfig => {
  const { beta: _, ...paper } = paperSRA(trained);
  return { ...paper, weight: 0.5, distance: "cosine", cosineAxis };
};

/** Steps after which HASTE leaves the encoder. */
const HASTE_STEPS = 250_000;

/** What both stages of Self-Transcendence have in common. */
const TRANSCENDENCE = { headWidth: 2048, times: [0.4, 0.7] } as const;

/** REPA with the features of DINOv2-B. */
const repaOf = (depth: number): REPAConfig => ({
  method: "repa",
  weight: 0.5,
  block: depth >= 24 ? 8 : Math.max(1, Math.round(depth / 3)),
  encoders: [{ array: "dinov2", width: 768 }],
  projectorWidth: 2048,
});

const PRESETS = {
  sra: paperSRA,
  // As released, where the cosine runs over the tokens of each feature.
  "sra-2026-07": (trained) => cosineSRA(trained, "token"),
  // As the formula has it: over the features of each token.
  "sra-cosine": (trained) => cosineSRA(trained, "feature"),
  // As its paper recommends it, on the released cosine's own axis; blocks as SRA's.
  "dts-as": (trained) => {
    const { studentBlock, teacherBlock } = paperSRA(trained);
    return {
      ...DTS_AS_DEFAULTS,
      ratios: [...DTS_AS_DEFAULTS.ratios],
      studentBlock,
      teacherBlock,
      cosineAxis: "feature",
    };
  },
  "self-flow": ({ depth }) => ({
    method: "self-flow",
    weight: 0.8,
    studentBlock: Math.max(1, Math.round(0.3 * depth)),
    teacherBlock: Math.max(1, Math.round(0.7 * depth)),
    maskRatio: 0.25,
  }),
  // The head's width follows from the sizes that the paper gives.
  sra2: ({ depth }) => ({
    method: "sra2",
    weight: 1,
    block: depth >= 24 ? 8 : Math.max(1, Math.round(depth / 6)),
    headLayers: 5,
    headRatio: 2,
    distance: "smooth-l1",
    beta: 0.05,
  }),
  repa: ({ depth }) => repaOf(depth),
  irepa: ({ depth }) => ({ ...repaOf(depth), weight: 1, projector: "convolution", targetNorm: 0.6 }),
  // HASTE is both of these at once. Its blocks are published for XL: the 5th to the 8th, from the 9th to the 12th of DINOv2-B.
  "haste-features": ({ depth }) => ({ ...repaOf(depth), weight: until(0.5, HASTE_STEPS) }),
  "haste-attention": ({ depth }) => ({
    method: "attention",
    weight: until(0.5, HASTE_STEPS),
    blocks: [3, 2, 1, 0].map((before) => Math.max(2, Math.min(8, depth) - before)),
    array: "dinov2-attention",
    heads: 12,
    headSize: 64,
  }),
  layersync: ({ depth }) => ({
    method: "layersync",
    weight: 0.2,
    block: Math.max(1, Math.round((2 * depth) / 7)),
    targetBlock: Math.max(2, Math.round((4 * depth) / 7)),
  }),
  dispersive: ({ depth }) => ({ method: "dispersive", weight: 0.25, block: depth, temperature: 1 }),
  contrastive: () => ({ method: "contrastive", weight: 0.05 }),
  // The paper's target; the released code's is the velocity.
  "self-transcendence-1": ({ depth }) => ({
    ...TRANSCENDENCE,
    ...{ method: "self-transcendence-1", weight: 0.5, target: "latent" },
    block: Math.max(1, Math.round(depth / 6)),
  }),
  // Published are the blocks 6 and 8 of 12, and 12 and 16 of 24; where it stops is the released command's default.
  "self-transcendence": ({ depth, captions }) => ({
    ...TRANSCENDENCE,
    ...{ method: "self-transcendence", weight: until(0.5, 100_000), guidance: captions ? 5 : 30 },
    studentBlock: Math.max(1, Math.round(depth / 2)),
    teacherBlock: Math.max(1, Math.round((2 * depth) / 3)),
  }),
} as const satisfies Record<string, (trained: Trained) => MethodConfig>;

export type MethodName = keyof typeof PRESETS;
/** All of them. */
export const METHOD_NAMES = Object.keys(PRESETS) as MethodName[];

/** A method as its paper, or its code, has it, for a network of some depth on a process. */
export const methodPreset = (name: MethodName, trained: Trained): MethodConfig => PRESETS[name](trained);

/** The first preset of a method's kind, of several distances that of its own: each has another weight. */
function presetLike(method: MethodConfig, trained: Trained): MethodConfig {
  const alike = METHOD_NAMES.map((name) => methodPreset(name, trained)).filter(
    (preset) => preset.method === method.method,
  );
  const distance = (config: MethodConfig) => ("distance" in config ? config.distance : undefined);
  return alike.find((preset) => distance(preset) === distance(method)) ?? alike[0];
}

/** The settings of a method that follow from the network and the process. */
const FITTED = ["studentBlock", "teacherBlock", "block", "blocks", "targetBlock", "interval", "guidance"];

/**
 * A method with the settings that follow from a network and a process as its preset has them, and the others as they are;
 * the weight too where another process gives the generative loss another scale.
 */
export function refitted(method: MethodConfig, trained: Trained, before: ProcessConfig): MethodConfig {
  const preset = presetLike(method, trained);
  const weight = trained.process.type === before.type ? method.weight : preset.weight;
  const fitted = Object.entries(preset).filter(([field]) => FITTED.includes(field));
  return { ...method, ...Object.fromEntries(fitted), weight };
}

export const IMAGENET_IMAGES = 1_281_167;
/** Steps of an epoch of ImageNet in batches of 256; the rest is dropped. */
const IMAGENET_EPOCH = Math.floor(IMAGENET_IMAGES / 256);

/**
 * lambda as the released code changes it: constant for 150 epochs (at 512 pixels for 100), then falling by a factor of
 * ten in 1,000 epochs (800), from epoch to epoch, to keep both losses at one scale. With the cosine distance: 0.5.
 * @param resolution of the images in pixels
 * @param epochSteps training steps of an epoch; ImageNet's in batches of 256 by default
 */
export function referenceAlignWeight(
  process: ProcessConfig["type"],
  resolution: 256 | 512,
  {
    distance = "smooth-l1",
    epochSteps = IMAGENET_EPOCH,
  }: { distance?: DistanceName; epochSteps?: number } = {},
): Schedule {
  if (distance === "cosine") return 0.5;
  const from = ALIGN_WEIGHT[process];
  const [constant, tenfold] = resolution === 256 ? [149, 1000] : [99, 800];
  return {
    from,
    to: from / 10,
    steps: tenfold * epochSteps,
    shape: "exponential",
    start: constant * epochSteps,
    hold: epochSteps,
  };
}
