/** How the processes of a run begin: the first reads the folder, and all have what it found. */

import type { TrainingData } from "../data/index.ts";
import { type Communicator, checkAgreement, RankError } from "../distributed/communicator.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { disposeTree, flattenTree, mapTensors } from "../tensor/tree.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { TrainConfig } from "./config.ts";
import { emptyState } from "./run-folder.ts";
import { type Shards, shardState } from "./shards.ts";
import type { TrainState } from "./step.ts";
import type { Task } from "./task.ts";

interface Begun {
  start: Checkpoint;
  path?: string;
}

/**
 * Begins a run on rank 0, and gives its step and state to all.
 * @throws on all ranks where they were given different configs or data, or where rank 0 cannot begin, which says why
 */
export async function beginTogether(
  ranks: Communicator,
  task: Task,
  config: TrainConfig,
  data: TrainingData,
  begin: () => Promise<Begun>,
  shards?: Shards,
): Promise<Begun> {
  await checkAgreement(ranks, "config", JSON.stringify(config));
  const content = [data.count, data.shape.join(), await data.fingerprint?.()];
  await checkAgreement(ranks, `set of images (${data.name})`, content.join());
  const [begun, failure] = ranks.rank === 0 ? await outcome(begin) : [];
  const said = Float64Array.of(begun ? 1 : 0, begun?.start.step ?? 0);
  await ranks.broadcast(said);
  if (failure) throw failure;
  const [hasBegun, step] = said;
  if (!hasBegun) throw new RankError("rank 0 could not begin the run", 0);
  const state = begun?.start.state ?? emptyState(task, config, data);
  const shared = await sharedState(ranks, state, shards);
  return { ...begun, start: { ...(begun?.start ?? { step, config }), state: shared } };
}

/** What comes of rank 0's beginning. All have to know before any of them ends. */
async function outcome(begin: () => Promise<Begun>): Promise<[Begun?, Error?]> {
  try {
    const begun = await begin();
    if (begun.start.generator01)
      throw new Error("a run that ditlab 0.1 began draws its numbers on one process; resume it on one");
    return [begun];
  } catch (error) {
    return [undefined, error as Error];
  }
}

/** Rank 0's state on every rank, or the part of it that each one has. */
async function sharedState(ranks: Communicator, whole: TrainState, shards?: Shards): Promise<TrainState> {
  const isFirst = ranks.rank === 0;
  const ownState = (): TrainState => (shards ? shardState(whole, shards) : whole);
  const leaves = flattenTree(whole).sort((a, b) => (a.path < b.path ? -1 : 1));
  const state = isFirst ? whole : ownState();
  const kept = new Set(flattenTree(state).map(({ path }) => path));
  const received = new Map<string, Tensor>();
  for (const { path, tensor } of leaves) {
    const numbers = isFirst ? Float32Array.from(await tensor.data()) : new Float32Array(tensor.size);
    await ranks.broadcast(numbers);
    if (!isFirst && kept.has(path)) received.set(path, tf.tensor(numbers, tensor.shape, tensor.dtype));
  }
  if (isFirst) return ownState();
  const shared = mapTensors(state, (_, path) => received.get(path)!);
  disposeTree(state);
  return shared;
}
