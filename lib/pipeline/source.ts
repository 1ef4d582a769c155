/** What images are sampled from: a run or checkpoint of ours, a file of weights, or what is published under a name. */
import { join } from "node:path";
import { DIT_PROCESS, makeProcess, type ProcessConfig, SIT_PROCESS } from "../diffusion/index.ts";
import { exists } from "../io/files.ts";
import { isFolder } from "../io/folders.ts";
import {
  openSafetensors,
  type PublishedOptions,
  pathOrPublished,
  publishedModel,
  type WeightsName,
} from "../io/index.ts";
import { isSafetensors, OWN_CHECKPOINT } from "../io/weights.ts";
import {
  loadModel,
  type ModelName,
  makeNetwork,
  type Network,
  type NetworkConfig,
  parseModelName,
} from "../models/index.ts";
import { checkKnown } from "../schema.ts";
import type { Params } from "../tensor/params.ts";
import { disposeTree } from "../tensor/tree.ts";
import {
  type Checkpoint,
  latestCheckpoint,
  readCheckpoint,
  type TrainConfig,
  type TrainState,
} from "../train/index.ts";

export interface PipelineSourceOptions {
  /** Which model a file of weights is of: a name of the papers, such as `SiT-XL/2`, or a config. Ours say it themselves. */
  model?: ModelName | NetworkConfig;
  /** What a file's model was trained on. Default: that of its family; of a config with twice the channels DiT's. */
  process?: ProcessConfig;
  /** Averaged weights (`ema`, the default), or the last ones. */
  weights?: WeightsName;
  /** Of several averages that a run keeps, the one with this decay. Default: the first. */
  emaDecay?: number;
  /** Called while weights are read, and while what is published is downloaded. */
  onLoad?: (what: string, done: number, total: number | undefined) => void;
}

/** A network with its parameters, and what it predicts. */
export interface PipelineSource {
  network: Network;
  params: Params;
  process: ProcessConfig;
  config: NetworkConfig;
  /** Path or name, as it was given. */
  source: string;
  /** Of a run: how many steps were done. */
  step?: number;
}

/** Opens what there is to sample from. @throws saying what was expected, or what does not fit. */
export async function loadSource(
  source: string,
  options: PipelineSourceOptions = {},
): Promise<PipelineSource> {
  checkOptions(options);
  if (await isOurs(source)) return ofRun(source, options);
  const { model = knownModel(source) } = options;
  if (model !== undefined) return ofWeights(source, model, options);
  if (!(await exists(source))) throw new Error(`there is no run folder or checkpoint at ${source}`);
  throw new Error(
    `${source} does not say which model its weights are of; expected the option model, for example SiT-XL/2`,
  );
}

const OPTIONS = Object.keys({
  model: true,
  process: true,
  weights: true,
  emaDecay: true,
  onLoad: true,
} satisfies Record<keyof PipelineSourceOptions, true>);

function checkOptions(options: PipelineSourceOptions): void {
  checkKnown(options, OPTIONS, "pipeline options");
  const { weights = "ema", emaDecay } = options;
  if (weights !== "ema" && weights !== "model")
    throw new RangeError(`weights must be ema or model, got '${weights}'`);
  if (emaDecay !== undefined && weights !== "ema")
    throw new Error(
      `emaDecay ${emaDecay} is one of averaged weights; expected weights 'ema', got '${weights}'`,
    );
}

/** Whether what lies at a path says itself what it is: a run folder, or a checkpoint of ours. */
async function isOurs(path: string): Promise<boolean> {
  if (await isFolder(path)) return true;
  if (!(await isSafetensors(path).catch(() => false))) return false;
  const file = await openSafetensors(path);
  await file.close();
  return file.metadata.format?.startsWith(OWN_CHECKPOINT) ?? false;
}

/** The model of weights that are published under a name. */
function knownModel(source: string): ModelName | undefined {
  const name = publishedModel(source);
  if (name !== undefined) parseModelName(name);
  return name as ModelName | undefined;
}

const downloads = ({ onLoad }: PipelineSourceOptions): PublishedOptions => ({
  onProgress: (file, received, total) => onLoad?.(file, received, total),
});

async function ofWeights(
  source: string,
  model: ModelName | NetworkConfig,
  options: PipelineSourceOptions,
): Promise<PipelineSource> {
  if (options.emaDecay !== undefined)
    throw new Error(
      `emaDecay chooses one of the averages that a run keeps; ${source} is a file of weights, expected none`,
    );
  const path = await pathOrPublished(source, downloads(options));
  const what = typeof model === "string" ? model : source;
  const { config, params } = await loadModel(path, model, {
    weights: options.weights,
    onProgress: (done, total) => options.onLoad?.(what, done, total),
  });
  const network = makeNetwork(config);
  const { process = usualProcess(model, network) } = options;
  const channels = makeProcess(process).outChannels(network.input[0]);
  if (network.outChannels !== channels)
    throw new Error(
      `the model of ${source} predicts ${network.outChannels} channels; expected ${channels}, as its process has it`,
    );
  return { network, params, process, config, source };
}

/** The process of a model's family. A config does not name it: only DiT predicts a variance beside each channel. */
function usualProcess(model: ModelName | NetworkConfig, { input, outChannels }: Network): ProcessConfig {
  const isDiT =
    typeof model === "string" ? parseModelName(model).family === "DiT" : outChannels === 2 * input[0];
  return isDiT ? DIT_PROCESS : SIT_PROCESS;
}

async function ofRun(
  source: string,
  { weights = "ema", emaDecay, process, model }: PipelineSourceOptions,
): Promise<PipelineSource> {
  if (model !== undefined)
    throw new Error(
      `the run ${source} has a model of its own; expected the option model with a file of weights alone`,
    );
  if (process !== undefined)
    throw new Error(
      `the run ${source} has a process of its own; expected the option process with model alone`,
    );
  const { state, config, step } = await readRun(source);
  const network = makeNetwork(config.model);
  const chosen = weights === "ema" ? averageOf(state, config, emaDecay) : state.params;
  // Heads of methods are not sampled with.
  const params = Object.fromEntries(Object.keys(network.shapes).map((name) => [name, chosen[name]]));
  const kept = new Set(Object.values(params));
  const { params: last, ema, averages, optimizer, lossScale } = state;
  for (const group of [last, ema, ...(averages ?? []), optimizer.first, optimizer.second])
    for (const tensor of Object.values(group)) if (!kept.has(tensor)) tensor.dispose();
  disposeTree([optimizer.step, lossScale ?? []]);
  return { network, params, process: config.process, config: config.model, source, step };
}

/** The moving average of a decay, of several that a run may keep. */
function averageOf({ ema, averages = [] }: TrainState, config: TrainConfig, decay?: number): Params {
  const { emaDecay, moreEmaDecays = [] } = config;
  if (decay === undefined || decay === emaDecay) return ema;
  const index = moreEmaDecays.indexOf(decay);
  if (index < 0)
    throw new Error(
      `the run keeps no moving average with decay ${decay}; expected ${[emaDecay, ...moreEmaDecays].map((value) => JSON.stringify(value)).join(" or ")}`,
    );
  return averages[index];
}

/** The newest checkpoint of a run folder, or the one in a file. */
async function readRun(path: string): Promise<Checkpoint> {
  if (!(await isFolder(path))) return readCheckpoint(path, { anyMethods: true });
  const found = await latestCheckpoint(join(path, "checkpoints"), { anyMethods: true });
  if (!found) throw new Error(`${path} holds no checkpoint; expected a run folder or a checkpoint file`);
  return found.checkpoint;
}
