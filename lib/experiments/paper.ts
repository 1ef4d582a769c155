/** The paper's training runs on ImageNet (table 5), by name: `sit-b-2-imagenet256` is SiT-B/2 with SRA. */
import { type MethodName, methodPreset } from "../align/index.ts";
import { DIT_PROCESS, SIT_PROCESS } from "../diffusion/process.ts";
import { MODEL_NAMES, type ModelName, modelConfig, parseModelName } from "../models/zoo.ts";
import { TRAIN_DEFAULTS, type TrainConfig } from "../train/config.ts";

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
 * The config of a preset with some methods, SRA by default: batches of 256 latents, AdamW at 1e-4, EMA 0.9999, 400,000
 * steps. Throws on an unknown name, naming what there is.
 */
export function paperConfig(preset: string, methods: readonly MethodName[] = ["sra"]): TrainConfig {
  const found = PRESETS.get(preset);
  if (!found) {
    throw new Error(
      `unknown preset '${preset}'; expected a model and a resolution, as in sit-b-2-imagenet256 ` +
        `(families sit and dit, sizes s, b, l, xl, patches 2, 4, 8, resolutions ${PAPER_RESOLUTIONS.join(", ")})`,
    );
  }
  const model = modelConfig(found.model, { inputSize: found.resolution / 8 });
  const process = parseModelName(found.model).family === "DiT" ? DIT_PROCESS : SIT_PROCESS;
  return {
    ...TRAIN_DEFAULTS,
    model,
    process,
    methods: methods.map((name) => methodPreset(name, { depth: model.depth, process })),
  };
}
