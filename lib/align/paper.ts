/** The settings of SRA that the paper gives for each model (table 5). */
import { type ModelName, type ModelSize, parseModelName } from "../models/zoo.ts";
import type { Schedule } from "../optim/schedules.ts";
import type { DistanceName } from "./distances.ts";
import { SRA_DEFAULTS, type SRAConfig } from "./sra.ts";

/** Blocks m of the student and n of the teacher. The paper has no S; it has B's depth, and takes its blocks. */
const BLOCKS: Readonly<
  Record<"DiT" | "SiT", Record<ModelSize, readonly [student: number, teacher: number]>>
> = {
  SiT: { S: [3, 8], B: [3, 8], L: [6, 16], XL: [8, 20] },
  DiT: { S: [3, 7], B: [3, 7], L: [6, 14], XL: [8, 16] },
};

/** SRA as the paper trains a model: its blocks, and an interval of [0, 0.2) in time or [0, 200) in steps. */
export function paperSRA(name: ModelName): SRAConfig {
  const { family, size } = parseModelName(name);
  const [studentBlock, teacherBlock] = BLOCKS[family][size];
  return {
    ...SRA_DEFAULTS,
    studentBlock,
    teacherBlock,
    interval: family === "DiT" ? [0, 200] : [0, 0.2],
  };
}

/** lambda: table 1's for SiT; for DiT, whose loss has another scale, the released code's. */
export const ALIGN_WEIGHT = { SiT: 0.2, DiT: 0.04 } as const;

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
  family: "DiT" | "SiT",
  resolution: 256 | 512,
  {
    distance = "smooth-l1",
    epochSteps = IMAGENET_EPOCH,
  }: { distance?: DistanceName; epochSteps?: number } = {},
): Schedule {
  if (distance === "cosine") return 0.5;
  const from = ALIGN_WEIGHT[family];
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
