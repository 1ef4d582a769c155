/** The paper's training runs on ImageNet (table 5), by name: `sit-b-2-imagenet256` is SiT-B/2 with SRA. */
import { ALIGN_WEIGHT, paperSRA } from "../align/paper.ts";
import { MODEL_NAMES, type ModelName, modelConfig, parseModelName } from "../models/zoo.ts";
import type { TrainConfig } from "../train/config.ts";

export const PAPER_RESOLUTIONS = [256, 512] as const;
type Resolution = (typeof PAPER_RESOLUTIONS)[number];

const presetName = (model: ModelName, resolution: Resolution): string =>
  `${model.toLowerCase().replace("/", "-")}-imagenet${resolution}`;

/** Presets by name. */
const PRESETS: ReadonlyMap<string, { model: ModelName; resolution: Resolution }> = new Map(
  MODEL_NAMES.flatMap((model) =>
    PAPER_RESOLUTIONS.map((resolution) => [presetName(model, resolution), { model, resolution }] as const),
  ),
);

/** All 48 of them. */
export const PAPER_PRESETS: readonly string[] = [...PRESETS.keys()];

/**
 * The config of a preset: batches of 256 latents, AdamW at 1e-4, EMA 0.9999, 400,000 steps.
 * Throws on an unknown name, naming what there is.
 */
export function paperConfig(preset: string, arm: "baseline" | "sra" = "sra"): TrainConfig {
  const found = PRESETS.get(preset);
  if (!found) {
    throw new Error(
      `unknown preset '${preset}'; expected a model and a resolution, as in sit-b-2-imagenet256 ` +
        `(families sit and dit, sizes s, b, l, xl, patches 2, 4, 8, resolutions ${PAPER_RESOLUTIONS.join(", ")})`,
    );
  }
  const { model, resolution } = found;
  return {
    seed: 0,
    model: modelConfig(model, { inputSize: resolution / 8, projectionHead: arm === "sra" }),
    interpolant: "linear",
    timeDistribution: "uniform",
    ...(arm === "sra" && { sra: paperSRA(model) }),
    alignWeight: ALIGN_WEIGHT[parseModelName(model).family],
    steps: 400_000,
    batchSize: 256,
    learningRate: 1e-4,
    adamW: { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 },
    maxGradientNorm: 1,
    emaDecay: 0.9999,
    classDropout: 0.1,
    logEvery: 100,
    checkpointEvery: 10_000,
  };
}
