/** Checkpoints: one safetensors file holding everything a run needs to go on exactly, written under a temporary name. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { DataIdentity } from "../data/index.ts";
import { fromTensor, type NdArray, readSafetensors, toTensor, writeSafetensors } from "../io/index.ts";
import { OWN_CHECKPOINT } from "../io/weights.ts";
import type { LossScale } from "../optim/loss-scale.ts";
import { checkShapes, type Params } from "../tensor/params.ts";
import { checkpointName, listCheckpoints } from "./checkpoint-files.ts";
import type { TrainConfig } from "./config.ts";
import { currentConfig } from "./legacy.ts";
import { makeTask } from "./make-task.ts";
import { checkOwn, OtherTaskError, type OwnParts, ownParts } from "./own-parts.ts";
import type { TrainState } from "./step.ts";
import { hasFrozenTeacher, isAveraged, type Task, taskShapes } from "./task.ts";

const FORMAT = `${OWN_CHECKPOINT}1`;

/** Numbers of a step by name: `generative`, each method's loss, and `gradientNorm`. */
export type Metrics = Record<string, number>;

export interface Checkpoint {
  /** Steps done. The next batch is that of step number `step`, which fixes the position in the data. */
  step: number;
  state: TrainState;
  /** Of a run that ditlab 0.1 began: the state of the one generator that its next step draws from. */
  generator01?: number[];
  config: TrainConfig;
  /** What the run is trained on; absent in checkpoints of ditlab 0.1. */
  data?: DataIdentity;
  /** Parts of the task that the config does not describe. */
  own?: OwnParts;
  /** What the steps since the last line of metrics.jsonl came to. */
  pending?: readonly { metrics: Metrics; seconds: number }[];
}

/** The groups of parameters in a state, by the prefix that their names get in a file. */
const groups = (state: TrainState): Record<string, Params> => ({
  model: state.params,
  ema: state.ema,
  "optimizer.first": state.optimizer.first,
  "optimizer.second": state.optimizer.second,
  ...Object.fromEntries(state.averages?.map((average, i) => [averageName(i), average]) ?? []),
  ...(state.lossScale && { lossScale: state.lossScale }),
  ...(state.frozen && { frozen: state.frozen }),
});

const optional = (text: string | undefined) => (text === undefined ? undefined : JSON.parse(text));

const averageName = (index: number): string => `ema.${index + 1}`;

/**
 * Writes a checkpoint into a folder and removes all but the newest (`keepCheckpoints`; default 2) and those kept for good
 * (`keepEvery`). Returns its path.
 */
export async function writeCheckpoint(folder: string, checkpoint: Checkpoint): Promise<string> {
  const { step, state, config } = checkpoint;
  const tensors: Record<string, NdArray> = { "optimizer.step": await fromTensor(state.optimizer.step) };
  for (const [prefix, params] of Object.entries(groups(state))) {
    for (const [name, tensor] of Object.entries(params))
      tensors[`${prefix}/${name}`] = await fromTensor(tensor);
  }
  await mkdir(folder, { recursive: true });
  const path = join(folder, checkpointName(step));
  const more = { random: checkpoint.generator01, data: checkpoint.data, own: checkpoint.own };
  const pending = checkpoint.pending?.length ? checkpoint.pending : undefined;
  await writeSafetensors(path, tensors, {
    format: FORMAT,
    step: String(step),
    config: JSON.stringify(config),
    ...Object.fromEntries(
      Object.entries({ ...more, pending })
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => [name, JSON.stringify(value)]),
    ),
  });
  const { keepCheckpoints = 2, keepEvery = Number.POSITIVE_INFINITY } = config;
  const older = (await listCheckpoints(folder)).slice(0, -keepCheckpoints);
  for (const old of older) if (old.step % keepEvery !== 0) await rm(old.path, { force: true });
  return path;
}

export interface CheckpointOptions {
  /** The task that it is of, where that has parts which no config describes. */
  task?: Task;
  /** To use its network alone: methods may be any, and what they added is left out. Default: no. */
  anyMethods?: boolean;
}

/**
 * Reads a checkpoint.
 * @throws an error that names the file when it is damaged, not one of ours, or of another task.
 */
export async function readCheckpoint(path: string, options: CheckpointOptions = {}): Promise<Checkpoint> {
  const { task: given, anyMethods } = options;
  const { tensors, metadata } = await readSafetensors(path);
  if (metadata.format !== FORMAT) {
    throw new Error(
      `${path} is not a training checkpoint: expected format ${FORMAT}, got ${metadata.format ?? "none"}`,
    );
  }
  const config = currentConfig(JSON.parse(metadata.config)) as TrainConfig;
  const own = optional(metadata.own) as OwnParts | undefined;
  checkOwn(path, own, given && ownParts(given, config), anyMethods);
  const task = given ?? makeTask(anyMethods ? { ...config, methods: [] } : config);
  const shapes = taskShapes(task);
  // The task's own order, not the file's: it fixes the order of sums, and so the weights bit by bit. What is in no task is
  // left behind: ditlab 0.1 and 0.2 kept a projection head that nothing trained in baselines.
  const names = Object.keys(shapes);
  const group = (prefix: string): Params =>
    Object.fromEntries(
      names
        .filter((name) => tensors[`${prefix}/${name}`])
        .map((name) => [name, toTensor(tensors[`${prefix}/${name}`])]),
    );
  const lossScale = (): LossScale => {
    const [scale, finite, skipped] = ["scale", "finite", "skipped"].map((name) =>
      toTensor(tensors[`lossScale/${name}`]),
    );
    return { scale, finite, skipped };
  };
  const state: TrainState = {
    params: group("model"),
    ema: group("ema"),
    optimizer: {
      first: group("optimizer.first"),
      second: group("optimizer.second"),
      step: toTensor(tensors["optimizer.step"]),
    },
    ...(tensors["lossScale/scale"] && { lossScale: lossScale() }),
    ...(hasFrozenTeacher(task) && { frozen: group("frozen") }),
    ...(config.moreEmaDecays && { averages: config.moreEmaDecays.map((_, i) => group(averageName(i))) }),
  };
  const averaged = Object.fromEntries(Object.entries(shapes).filter(([name]) => isAveraged(task, name)));
  const check = (params: Params, expected: typeof shapes): void =>
    checkShapes(
      Object.fromEntries(Object.entries(params).map(([name, { shape }]) => [name, shape])),
      expected,
      `${task.network.name} of ${path}`,
    );
  check(state.params, shapes);
  for (const params of [state.ema, ...(state.averages ?? [])]) check(params, averaged);
  if (state.frozen) check(state.frozen, task.network.shapes);
  return {
    step: Number(metadata.step),
    config,
    state,
    generator01: optional(metadata.random),
    data: optional(metadata.data),
    own,
    pending: optional(metadata.pending),
  };
}

/** The newest checkpoint that can be read, with the damaged ones that were passed over; undefined when there is none. */
export async function latestCheckpoint(
  folder: string,
  options?: CheckpointOptions,
): Promise<{ checkpoint: Checkpoint; path: string; damaged: string[] } | undefined> {
  const damaged: string[] = [];
  for (const { path } of (await listCheckpoints(folder)).reverse()) {
    try {
      return { checkpoint: await readCheckpoint(path, options), path, damaged };
    } catch (error) {
      if (error instanceof OtherTaskError) throw error;
      damaged.push((error as Error).message);
    }
  }
  if (damaged.length > 0) throw new Error(`no checkpoint in ${folder} can be read: ${damaged.join("; ")}`);
  return undefined;
}
