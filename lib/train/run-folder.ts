/** A run folder: `config.json`, `data.json`, `metrics.jsonl`, TensorBoard events, `checkpoints/`, and a manifest of them. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type DataIdentity, describeIdentity, isSameData } from "../data/identity.ts";
import type { TrainingData } from "../data/index.ts";
import { checkEmpty, claimFolder, type Manifest, readManifest } from "../io/folders.ts";
import { writeAtomic } from "../io/index.ts";
import { initLossScale } from "../optim/loss-scale.ts";
import type { Params } from "../tensor/params.ts";
import { randomStream } from "../tensor/random.ts";
import { tf } from "../tensor/tf.ts";
import { disposeTree } from "../tensor/tree.ts";
import { type Checkpoint, latestCheckpoint } from "./checkpoint.ts";
import { CHECKPOINT_FILES, listCheckpoints, removeUnfinished } from "./checkpoint-files.ts";
import type { TrainConfig } from "./config.ts";
import { ownParts } from "./own-parts.ts";
import { initTrainState, type TrainState } from "./step.ts";
import { initTask, type Task } from "./task.ts";

/** How a run's images can be opened again: a data set's name, or paths. */
export type DataSource = Readonly<Record<string, string>>;

const DATA_FILE = "data.json";

/** What training writes into a run folder. */
export const RUN_FILES = [
  "config.json",
  DATA_FILE,
  "metrics.jsonl",
  "monitor.jsonl",
  "events.out.tfevents.*",
  "samples/step-*.png",
  "samples/captions.txt",
  CHECKPOINT_FILES,
] as const;

const RUN: Manifest = { kind: "run", identity: {}, makes: RUN_FILES };

/** Claims a folder for a run; one that holds a checkpoint of ours is one, with or without a manifest. */
export const claimRunFolder = (folder: string): Promise<unknown> => claimFolder(folder, RUN);

/** @throws naming the folder where it holds a run, or anything else. */
export async function checkNewRun(folder: string): Promise<void> {
  const [newest] = (await listCheckpoints(join(folder, "checkpoints"))).reverse();
  if (newest)
    throw new Error(`${folder} already holds a run (${newest.path}); resume it or choose another folder`);
  if (!(await readManifest(folder))) await checkEmpty(folder, RUN.kind);
}

export interface RunOptions {
  folder: string;
  resume?: boolean;
  /** Of a run whose task no config describes: what its checkpoints hold. */
  task?: Task;
  source?: DataSource;
  frozenTeacher?: Params;
  onWarning?: (message: string) => void;
}

const writeJson = (path: string, value: unknown): Promise<void> =>
  writeAtomic(path, `${JSON.stringify(value, null, 2)}\n`);

const identityOf = async ({ count, shape, classes, fingerprint }: TrainingData): Promise<DataIdentity> => ({
  count,
  shape: [...shape],
  classes,
  ...(fingerprint && { fingerprint: await fingerprint() }),
});

/** How a run's images were opened, if its folder says so. */
export async function readDataSource(folder: string): Promise<DataSource | undefined> {
  const text = await readFile(join(folder, DATA_FILE), "utf8").catch(() => undefined);
  return text === undefined ? undefined : JSON.parse(text).source;
}

/** The start of a run, fresh or resumed; nothing is written before all has been checked. */
export async function beginRun(
  task: Task,
  config: TrainConfig,
  trainingData: TrainingData,
  options: RunOptions,
): Promise<{ start: Checkpoint; path?: string }> {
  const { folder, source } = options;
  const found = await latestCheckpoint(join(folder, "checkpoints"), { task: options.task });
  const data = await identityOf(trainingData);
  if (!options.resume) await checkNewRun(folder);
  const begun = options.resume
    ? resumed(task, config, data, found, options)
    : {
        start: {
          step: 0,
          state: freshState(task, config, trainingData, options.frozenTeacher),
          config,
          data,
          own: ownParts(task, config),
        },
      };
  // Folders of ditlab 0.1 have no manifest, but a checkpoint of ours.
  if (!found) await claimRunFolder(folder);
  await removeUnfinished(join(folder, "checkpoints"));
  await writeJson(join(folder, "config.json"), config);
  await writeJson(join(folder, DATA_FILE), { name: trainingData.name, ...data, source });
  return begun;
}

type Found = Awaited<ReturnType<typeof latestCheckpoint>>;

/** Step 0 of a run. What the data know of a condition that says nothing is kept with the parameters. */
export function freshState(
  task: Task,
  config: TrainConfig,
  { nothing = {} }: TrainingData,
  frozenTeacher?: Params,
): TrainState {
  const params = initTask(task, randomStream(config.seed, "weights"));
  for (const [array, name] of Object.entries(task.network.nothing ?? {})) {
    if (!nothing[array]) continue;
    const { shape } = params[name];
    params[name].dispose();
    params[name] = tf.tensor(nothing[array], shape);
  }
  return initTrainState(task, params, config, frozenTeacher);
}

/** A state of the right shapes, whose numbers come from elsewhere. */
export function emptyState(task: Task, config: TrainConfig, data: TrainingData): TrainState {
  const params = initTask(task, randomStream(config.seed, "weights"));
  const state = freshState(task, config, data, params);
  disposeTree(params);
  return state;
}

function resumed(
  task: Task,
  config: TrainConfig,
  data: DataIdentity,
  found: Found,
  { folder, onWarning }: RunOptions,
): { start: Checkpoint; path: string } {
  if (!found) throw new Error(`${folder} holds no checkpoint to resume from; start the run without resuming`);
  for (const message of found.damaged) onWarning?.(`passed over a damaged checkpoint: ${message}`);
  const { checkpoint, path } = found;
  const changed = contradictions(checkpoint.config, config, changeable(task));
  if (changed.length > 0)
    throw new Error(
      `cannot resume ${folder} with another config: ${changed.join("; ")}; leave it as it is, or begin another run`,
    );
  if (checkpoint.data && !isSameData(checkpoint.data, data))
    throw new Error(
      `cannot resume ${folder} with other data: it was trained on ${describeIdentity(checkpoint.data)}, got ${describeIdentity(data)}`,
    );
  return { start: { ...checkpoint, data, state: withLossScale(checkpoint.state, config) }, path };
}

/** A state as a run goes on from it that may have turned dynamic loss scaling on, or off. */
function withLossScale({ lossScale, ...state }: TrainState, { lossScaling }: TrainConfig): TrainState {
  if (lossScaling === "dynamic") return { ...state, lossScale: lossScale ?? initLossScale() };
  disposeTree(lossScale);
  return state;
}

/** Fields that may change between a start and a resume: how long a run is, and what is written. */
const CHANGEABLE = ["steps", "logEvery", "checkpointEvery", "keepCheckpoints", "keepEvery", "sampleEvery"];
/** Where and how exactly it is computed, which like another device changes no more than rounding. */
const ROUNDED = ["remat", "precision", "lossScaling"];
/** How it is computed, which changes no number as long as no method compares the samples of a part with each other. */
const COMPUTED = ["accumulate", "microBatches"];

const changeable = ({ methods }: Task): readonly string[] =>
  methods.some(({ couplesSamples }) => couplesSamples)
    ? [...CHANGEABLE, ...ROUNDED]
    : [...CHANGEABLE, ...ROUNDED, ...COMPUTED];

const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Where two configs differ that may not, as `field was ..., got ...`. */
export function contradictions(
  was: unknown,
  got: unknown,
  changeable: readonly string[] = [],
  path: readonly string[] = [],
): string[] {
  if (path.length === 1 && changeable.includes(path[0])) return [];
  const fields = isPlain(was) && isPlain(got);
  const items = Array.isArray(was) && Array.isArray(got) && was.length === got.length && was.some(isPlain);
  if (fields || items) {
    const [a, b] = [was, got] as [Record<string, unknown>, Record<string, unknown>];
    return Object.keys({ ...a, ...b }).flatMap((field) =>
      contradictions(a[field], b[field], changeable, [...path, field]),
    );
  }
  if (JSON.stringify(was) === JSON.stringify(got)) return [];
  const shown = (value: unknown): string => JSON.stringify(value) ?? "absent";
  return [`${path.join(".")} was ${shown(was)}, got ${shown(got)}`];
}
