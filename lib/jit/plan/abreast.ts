/** Stages of one kind that do not need each other become one kernel, by workgroups of their own: updates of parameters. */
import { sizeOf, type Value } from "../graph.ts";
import { labelOf, mayStandAbreast, type Stage } from "./kernels.ts";
import type { Context } from "./merging.ts";
import { append, readsOf } from "./stages.ts";

/** Stages in one kernel, and how far apart they may be. */
const MOST_STAGES = 32;
const WINDOW = 64;
/** Results that may come earlier than they would: memory that is taken for longer. */
const SMALL = 65_536;

/** `stages` in their order; `over` says which results are written over an argument. */
export function standAbreast(
  stages: readonly Stage[],
  over: ReadonlyMap<Value, Value>,
  { binds, placement, maxBuffers }: Context,
): Stage[] {
  const reads = stages.map((stage) => readsOf(stage, placement.stored));
  const makes = new Map<Value, number>();
  const readers = new Map<Value, number[]>();
  stages.forEach(({ values }, i) => {
    for (const value of values) makes.set(value, i);
    for (const value of reads[i]) append(readers, value, i);
  });
  /** Arrays in memory that a stage binds. */
  const arraysOf = ({ root, values }: Stage, at: number): Value[] => {
    const read = root
      ? [...reads[at]].filter(({ dtype }) => dtype !== "int64")
      : values.flatMap((value) => binds(value).buffers);
    const memory = (value: Value): Value => placement.parts?.get(value)?.whole ?? over.get(value) ?? value;
    return [...read, ...values].filter((value) => !placement.scalars.has(value)).map(memory);
  };
  interface Group {
    at: number;
    stage: Stage;
    others: Stage[];
    arrays: Set<Value>;
  }
  const open = new Map<string, Group>();
  const gone = new Set<Stage>();
  const groups: Group[] = [];
  stages.forEach((stage, at) => {
    if (!mayStandAbreast(stage)) return;
    const label = labelOf(stage);
    const group = open.get(label);
    const arrays = arraysOf(stage, at);
    const fits =
      group &&
      group.others.length + 1 < MOST_STAGES &&
      at - group.at <= WINDOW &&
      // It is computed where the first one is: what it reads is there, and what it writes over is not read any more.
      [...reads[at]].every((value) => stage.values.includes(value) || (makes.get(value) ?? -1) < group.at) &&
      stage.values.every(
        (value) =>
          !over.has(value) ||
          readers.get(over.get(value)!)!.every((reader) => reader === at || reader < group.at),
      ) &&
      // Copies of arguments are made first of all in any case.
      (stage.position < 0 ||
        stage.values.every((value) => over.has(value) || sizeOf(value.shape) <= SMALL)) &&
      new Set([...group.arrays, ...arrays]).size + 1 <= maxBuffers;
    if (fits) {
      group.others.push(stage);
      for (const value of arrays) group.arrays.add(value);
      gone.add(stage);
    } else {
      const next = { at, stage, others: [], arrays: new Set(arrays) };
      open.set(label, next);
      groups.push(next);
    }
  });
  for (const { stage, others } of groups) {
    if (others.length === 0) continue;
    if (!stage.root) stage.others = others;
    else {
      // Such a root computes several itself.
      stage.beside = others.map(({ root }) => root!);
      stage.values.push(...others.flatMap(({ values }) => values));
    }
  }
  return stages.filter((stage) => !gone.has(stage));
}
