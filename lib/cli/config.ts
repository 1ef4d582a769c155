/** Where a command's training config comes from: a preset or a file, changed by options. */
import { methodPreset, referenceAlignWeight, refitted } from "../align/index.ts";
import { CAPTIONS, loadDataset } from "../data/index.ts";
import { DIT_PROCESS, type ProcessConfig, SIT_PROCESS } from "../diffusion/index.ts";
import { PAPER_PRESETS, paperConfig } from "../experiments/paper.ts";
import { SCALES, type ScaleName, scaleConfig, scaleSRA } from "../experiments/presets.ts";
import { readBytes } from "../io/index.ts";
import type { TransformerConfig } from "../models/config.ts";
import { networkConfig } from "../models/make.ts";
import { type ModelName, modelConfig, parseModelName, TEXT_MODEL } from "../models/zoo.ts";
import { type Schedule, warmup, warmupAndDecay } from "../optim/schedules.ts";
import { check, nearest } from "../schema.ts";
import { checkTrainConfig } from "../train/config.ts";
import type { TrainConfig } from "../train/index.ts";
import { currentConfig, currentModel } from "../train/legacy.ts";
import type { ConfigOptions } from "./config-options.ts";

/** Methods with the weight that an option asks for. */
export function withWeight(
  option: ConfigOptions["alignWeight"],
  { model, process, methods }: Pick<TrainConfig, "model" | "process" | "methods">,
): TrainConfig["methods"] {
  if (option === undefined) return methods;
  if (methods.length !== 1)
    throw new Error(`--align-weight is the weight of one method, got ${methods.length} methods`);
  const [method] = methods;
  if (option !== "reference") return [{ ...method, weight: option }];
  const resolution = model.inputSize * 8;
  if (resolution !== 256 && resolution !== 512)
    throw new Error(
      `--align-weight reference is for latents of 256 or 512 pixels, got a model of ${resolution}`,
    );
  if (method.method !== "sra")
    throw new Error(`--align-weight reference is that of sra, got the method ${method.method}`);
  const { distance } = method;
  return [{ ...method, weight: referenceAlignWeight(process.type, resolution, { distance }) }];
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
  const content = await readJson(path);
  try {
    const config = currentConfig(content) as TrainConfig;
    checkTrainConfig(config);
    return config;
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** A model by name, or that of a file: a model's config, or a training config, which also says the process. */
export async function readModel(
  model: string,
): Promise<{ model: ModelName | TrainConfig["model"]; process?: ProcessConfig }> {
  if (!model.endsWith(".json")) return { model: parseModelName(model).name };
  const content = await readJson(model);
  try {
    const { model: config, process } = currentModel(content);
    check(networkConfig, config, "model config");
    return { model: config, process: process as ProcessConfig | undefined };
  } catch (error) {
    throw new Error(`${model}: ${(error as Error).message}`, { cause: error });
  }
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
  if (preset in SCALES) {
    const scale = SCALES[preset as ScaleName];
    const methods = baseline ? [] : [scaleSRA(scale)];
    return scaleConfig(scale, await loadDataset(dataset, { folder: data }), methods, 0);
  }
  if (!PAPER_PRESETS.includes(preset)) {
    const names = [...Object.keys(SCALES), ...PAPER_PRESETS];
    const meant = nearest(preset, names);
    throw new Error(
      `unknown preset '${preset}'${meant ? `, did you mean ${meant}?` : ""}; expected ${Object.keys(SCALES).join(", ")}, or a model and a resolution, as in sit-b-2-imagenet256`,
    );
  }
  return paperConfig(preset, baseline ? [] : ["sra"]);
}

/** What the images at hand are, for a model that has to fit them. */
export interface DataShape {
  shape: readonly [channels: number, height: number, width: number];
  classes: number;
  /** Of further arrays, by name. */
  arrays?: Readonly<Record<string, readonly number[]>>;
}

/** A config whose model is another, or fits other data. */
export async function withModel(
  base: TrainConfig,
  { model: name, size, classes, patchSize }: ConfigOptions,
  data?: DataShape,
): Promise<TrainConfig> {
  const given = { inputSize: size ?? data?.shape[1], inChannels: data?.shape[0], patchSize };
  const changes = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const [textTokens, textWidth] = data?.arrays?.[CAPTIONS] ?? [];
  const text = textTokens === undefined ? {} : { textTokens, textWidth };
  /** One that knows no classes has none because the images have some. */
  const classesOf = (numClasses: number): { numClasses: number } => ({
    numClasses: classes ?? (data && numClasses > 0 ? Math.max(1, data.classes) : numClasses),
  });
  const changed = (model: TrainConfig["model"]): TrainConfig["model"] => {
    if (model.type === "mmdit") {
      if (classes !== undefined) throw new Error(TOLD_BY_CAPTIONS);
      return { ...model, ...changes, ...text };
    }
    return withChannels({ ...model, ...changes, ...classesOf(model.numClasses) }, model);
  };
  if (name === undefined) return { ...base, model: changed(base.model) };
  const { model: chosen, process: said } = await readModel(name);
  if (typeof chosen !== "string") return { ...base, model: changed(chosen), process: said ?? base.process };
  const { inputSize, inChannels } = base.model;
  if (chosen === TEXT_MODEL && classes !== undefined) throw new Error(TOLD_BY_CAPTIONS);
  const shape = { inputSize, inChannels, ...changes };
  const model =
    chosen === TEXT_MODEL
      ? modelConfig(chosen, { ...shape, ...text })
      : // In place of a model that is told captions, one of the images' classes.
        modelConfig(chosen, {
          ...shape,
          ...classesOf(base.model.type === "mmdit" ? 1 : base.model.numClasses),
        });
  const usual = parseModelName(chosen).family === "DiT" ? DIT_PROCESS : SIT_PROCESS;
  const process = base.process.type === usual.type ? base.process : usual;
  // Another model has other blocks, and a DiT's interval and lambda are of another scale.
  const trained = { depth: model.depth, process, captions: isText(model) };
  return {
    ...base,
    model,
    process,
    methods: base.methods.map((method) => refitted(method, trained, base.process)),
  };
}

const isText = ({ type }: TrainConfig["model"]): boolean => type === "mmdit";

const TOLD_BY_CAPTIONS = "an MMDiT is told captions; expected no --classes";

/** A model whose channels were changed keeps what it predicts of each. */
const withChannels = (model: TransformerConfig, before: TransformerConfig): TransformerConfig =>
  before.outChannels === undefined
    ? model
    : { ...model, outChannels: (before.outChannels / before.inChannels) * model.inChannels };

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
  const { depth } = before.model;
  const named = options.method?.map((name) =>
    methodPreset(name, { depth, process: before.process, captions: isText(before.model) }),
  );
  const base: TrainConfig = { ...before, methods: options.baseline ? [] : (named ?? before.methods) };
  const { steps = base.steps, weightDecay, emaDecay } = options;
  const changed: Partial<TrainConfig> = {
    seed: options.seed,
    steps,
    batchSize: options.batchSize,
    accumulate: options.accumulate,
    microBatches: options.microBatches,
    remat: options.remat,
    precision: options.precision,
    lossScaling: options.lossScaling,
    methods: withWeight(options.alignWeight, base),
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
