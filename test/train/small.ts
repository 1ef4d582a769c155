/** A training run small enough to repeat many times. */
import type { SRAConfig } from "../../lib/align/index.ts";
import type { ImageSet } from "../../lib/data/index.ts";
import { SIT_PROCESS } from "../../lib/diffusion/index.ts";
import { randomGenerator } from "../../lib/tensor/index.ts";
import type { TransformerTrainConfig } from "../../lib/train/index.ts";
import { SMALL_MODEL } from "../models/small.ts";

/** Random 8x8 grey images of two classes. */
export function smallImages(count = 50): ImageSet {
  const random = randomGenerator(7);
  return {
    images: Uint8Array.from({ length: count * 64 }, () => random.integer(256)),
    labels: Uint8Array.from({ length: count }, (_, i) => i % 2),
    count,
    height: 8,
    width: 8,
    channels: 1,
  };
}

export const SMALL_SRA: SRAConfig = {
  method: "sra",
  weight: 0.2,
  studentBlock: 1,
  teacherBlock: 2,
  interval: [0, 0.2],
  distance: "smooth-l1",
  projectionHead: true,
};

export function smallConfig(change: Partial<TransformerTrainConfig> = {}): TransformerTrainConfig {
  return {
    seed: 3,
    model: SMALL_MODEL,
    process: SIT_PROCESS,
    methods: [SMALL_SRA],
    steps: 12,
    batchSize: 8,
    microBatches: 1,
    learningRate: 1e-2,
    adamW: { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 },
    maxGradientNorm: 1,
    emaDecay: 0.9,
    classDropout: 0.1,
    logEvery: 1,
    checkpointEvery: 5,
    ...change,
  };
}
