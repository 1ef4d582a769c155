/**
 * ZeRO-1 (Rajbhandari et al. 2020, "P_os"): each rank keeps the optimizer's moments, and the averages that no step reads, of
 * some parameters alone. It updates these, and gives them to the others. A tensor is never divided.
 */
import type { Communicator } from "../distributed/communicator.ts";
import { ownTensor } from "../jit/buffers.ts";
import { type Params, sizeOf } from "../tensor/params.ts";
import type { Tensor } from "../tensor/tf.ts";
import type { TrainConfig } from "./config.ts";
import type { TrainState } from "./step.ts";
import { isAveraged, isTrained, type Task, taskShapes } from "./task.ts";

export interface Shards {
  readonly ranks: Communicator;
  /** The names of the parameters of each rank. */
  readonly names: readonly (readonly string[])[];
  /** All names that moments and averages have. */
  readonly trained: readonly string[];
  readonly averaged: readonly string[];
  /** Whether every rank has the whole moving average: where a method's teacher is one. */
  readonly keepsAverage: boolean;
}

/** Shares a task's parameters out: the largest first, each to the rank that has least. */
export function shardsOf<R extends Pick<Communicator, "size">>(
  task: Task,
  ranks: R,
): Omit<Shards, "ranks"> & { ranks: R } {
  const sizes = Object.entries(taskShapes(task)).map(([name, shape]) => [name, sizeOf(shape)] as const);
  const loads = new Array<number>(ranks.size).fill(0);
  const owner = new Map<string, number>();
  for (const [name, size] of [...sizes].sort(([, a], [, b]) => b - a)) {
    const least = loads.indexOf(Math.min(...loads));
    owner.set(name, least);
    loads[least] += size;
  }
  const names = sizes.map(([name]) => name);
  return {
    ranks,
    names: loads.map((_, rank) => names.filter((name) => owner.get(name) === rank)),
    trained: names.filter((name) => isTrained(task, name)),
    averaged: names.filter((name) => isAveraged(task, name)),
    keepsAverage: task.methods.some(({ targets, frozenTeacher }) => targets && !frozenTeacher),
  };
}

/** Bytes that the rank with most of them keeps: of the moments, and of the averages. */
export function shardBytes(
  task: Task,
  { moreEmaDecays = [] }: Pick<TrainConfig, "moreEmaDecays">,
  size: number,
): number {
  const { names, trained, averaged, keepsAverage } = shardsOf(task, { size });
  const shapes = taskShapes(task);
  const bytesOf = (kept: Iterable<string>): number =>
    [...kept].reduce((sum, name) => sum + 4 * sizeOf(shapes[name]), 0);
  const whole = keepsAverage ? bytesOf(averaged) : 0;
  const averages = moreEmaDecays.length + (keepsAverage ? 0 : 1);
  const parts = names.map((own) => {
    const has = new Set(own);
    const [moments, averaged_] = [trained, averaged].map((all) =>
      bytesOf(all.filter((name) => has.has(name))),
    );
    return 2 * moments + averages * averaged_;
  });
  return whole + Math.max(...parts);
}

/** What of a record this rank has. */
export const ownPart = <T>(
  record: Readonly<Record<string, T>>,
  { ranks, names }: Shards,
): Record<string, T> =>
  Object.fromEntries(names[ranks.rank].filter((name) => name in record).map((name) => [name, record[name]]));

type Group = "first" | "second" | "ema" | `average ${number}`;
const isMoment = (group: Group): boolean => group === "first" || group === "second";

/** A state with its groups that are in shards as `change` makes them. */
function changed(
  state: TrainState,
  { keepsAverage }: Pick<Shards, "keepsAverage">,
  change: (params: Params, group: Group) => Params,
): TrainState {
  const { ema, optimizer, averages } = state;
  return {
    ...state,
    ema: keepsAverage ? ema : change(ema, "ema"),
    optimizer: {
      ...optimizer,
      first: change(optimizer.first, "first"),
      second: change(optimizer.second, "second"),
    },
    ...(averages && { averages: averages.map((params, i) => change(params, `average ${i}`)) }),
  };
}

/** This rank's part of a whole state; what the others have is disposed of. */
export const shardState = (state: TrainState, shards: Shards): TrainState =>
  changed(state, shards, (params) => {
    const own = ownPart(params, shards);
    for (const [name, tensor] of Object.entries(params)) if (!(name in own)) tensor.dispose();
    return own;
  });

export interface Look {
  /** What is to be whole: the averages, or all. */
  wanted: "averages" | "all";
  /** On every rank. Default: on rank 0. */
  everywhere?: boolean;
}

/**
 * Calls `look` with the state in which what is wanted is whole; with nothing on ranks that only give what they have. All ranks
 * call it.
 */
export async function withWhole(
  state: TrainState,
  shards: Shards,
  { wanted, everywhere = false }: Look,
  look: (whole: TrainState | undefined) => Promise<void>,
): Promise<void> {
  const looks = everywhere || shards.ranks.rank === 0;
  const groups = new Map<Group, Params>();
  changed(state, shards, (params, group) => {
    groups.set(group, params);
    return params;
  });
  const borrowed: Tensor[] = [];
  try {
    for (const [group, own] of groups) {
      if (wanted === "averages" && isMoment(group)) continue;
      const names = isMoment(group) ? shards.trained : shards.averaged;
      groups.set(group, await gathered(own, names, state.params, shards, looks ? borrowed : undefined));
    }
    await look(looks ? changed(state, shards, (_, group) => groups.get(group)!) : undefined);
  } finally {
    for (const tensor of borrowed) tensor.dispose();
  }
}

/** The tensors of these names, which are of the parameters' shapes; those that came from others are added to `borrowed`. */
async function gathered(
  own: Params,
  names: readonly string[],
  params: Params,
  shards: Shards,
  borrowed: Tensor[] | undefined,
): Promise<Params> {
  const whole: Params = {};
  for (const name of names) {
    const { shape, size } = params[name];
    const numbers = own[name]
      ? ((await own[name].data()) as Float32Array<ArrayBuffer>)
      : new Float32Array(size);
    await shards.ranks.broadcast(numbers, ownerOf(shards, name));
    if (own[name]) whole[name] = own[name];
    else if (borrowed) {
      whole[name] = ownTensor(numbers, shape);
      borrowed.push(whole[name]);
    }
  }
  return whole;
}

const ownerOf = ({ names }: Shards, name: string): number => names.findIndex((own) => own.includes(name));
