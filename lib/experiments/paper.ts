/**
 * The paper's training runs by name: on ImageNet (table 5) `sit-b-2-imagenet256` is SiT-B/2 with SRA; on COCO (table 2)
 * there is the text-to-image model alone.
 */
import { type MethodName, methodPreset } from "../align/index.ts";
import { DIT_PROCESS, type ProcessConfig, SIT_PROCESS } from "../diffusion/process.ts";
import type { NetworkConfig } from "../models/make.ts";
import { MODEL_NAMES, modelConfig, parseModelName, TEXT_MODEL, type TransformerName } from "../models/zoo.ts";
import { TRAIN_DEFAULTS, type TrainConfig } from "../train/config.ts";

export const PAPER_RESOLUTIONS = [256, 512] as const;
type Resolution = (typeof PAPER_RESOLUTIONS)[number];

const presetName = (model: TransformerName, resolution: Resolution): string =>
  `${model.toLowerCase().replace("/", "-")}-imagenet${resolution}`;

/** Presets by name. */
const PRESETS: ReadonlyMap<string, { model: TransformerName; resolution: Resolution }> = new Map(
  MODEL_NAMES.flatMap((model) =>
    PAPER_RESOLUTIONS.map((resolution) => [presetName(model, resolution), { model, resolution }] as const),
  ),
);

/** Text to image, on latents of COCO 2014 at 256x256. */
export const TEXT_PRESET = `${TEXT_MODEL.toLowerCase()}-coco256`;
/** What table 2 was trained for; the released code's default is another. */
export const TEXT_STEPS = 150_000;

/** All 48 on ImageNet, and the one on COCO. */
export const PAPER_PRESETS: readonly string[] = [...PRESETS.keys(), TEXT_PRESET];

/**
 * The config of a preset with some methods, SRA by default: batches of 256 latents, AdamW at 1e-4, EMA 0.9999, 400,000
 * steps (text to image 150,000). Throws on an unknown name, naming what there is.
 */
export function paperConfig(preset: string, methods: readonly MethodName[] = ["sra"]): TrainConfig {
  if (preset === TEXT_PRESET)
    return { ...trained(modelConfig(TEXT_MODEL), SIT_PROCESS, methods), steps: TEXT_STEPS };
  const found = PRESETS.get(preset);
  if (!found) {
    throw new Error(
      `unknown preset '${preset}'; expected a model and a resolution, as in sit-b-2-imagenet256 ` +
        `(families sit and dit, sizes s, b, l, xl, patches 2, 4, 8, resolutions ${PAPER_RESOLUTIONS.join(", ")}), or ${TEXT_PRESET}`,
    );
  }
  const model = modelConfig(found.model, { inputSize: found.resolution / 8 });
  const process = parseModelName(found.model).family === "DiT" ? DIT_PROCESS : SIT_PROCESS;
  return trained(model, process, methods);
}

const trained = (
  model: NetworkConfig,
  process: ProcessConfig,
  methods: readonly MethodName[],
): TrainConfig => ({
  ...TRAIN_DEFAULTS,
  model,
  process,
  methods: methods.map((name) =>
    methodPreset(name, { depth: model.depth, process, captions: model.type === "mmdit" }),
  ),
});
