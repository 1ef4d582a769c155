/** What is stored, what is computed where it is read, and what is computed together. */
import { type GraphNode, type LiveGraph, sizeOf, type Value } from "../graph.ts";
import { Index, KernelBuilder, OWN_PLACE, type Placement } from "./builder.ts";
import { expression, isHeavy, isView, rootOf, type Stage } from "./kernels.ts";
import type { Style } from "./language.ts";

/** A join is written part by part from so many parts on: to choose between them at every number would take longer. */
const MANY_PARTS = 5;
const isLongJoin = ({ op, inputs }: GraphNode): boolean => op === "Concat" && inputs.length >= MANY_PARTS;

const append = <K, V>(map: Map<K, V[]>, key: K, value: V): void => {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
};

/** Where each value is used: in the kernels of stored values and of roots. */
type Users = ReadonlyMap<Value, ReadonlySet<Value | GraphNode>>;

export interface Kept {
  stored: Set<Value>;
  users: Users;
}

/**
 * Chooses what is stored: results, what roots give, and of expressions those that several kernels use or that one uses
 * many times; `forced` are stored beside.
 */
export function keptValues(
  { nodes }: LiveGraph,
  results: ReadonlySet<Value>,
  forced: ReadonlySet<Value>,
): Kept {
  const readers = new Map<Value, GraphNode[]>();
  for (const node of nodes) for (const value of new Set(node.inputs)) append(readers, value, node);
  const stored = new Set<Value>();
  const users = new Map<Value, Set<Value | GraphNode>>();
  /** Views, and expressions not stored, that a kernel reads many times. */
  const oftenRead = new Set<Value>();
  for (const node of [...nodes].reverse()) {
    for (const value of node.outputs) {
      const used = new Set<Value | GraphNode>();
      let isOften = false;
      for (const reader of readers.get(value) ?? []) {
        if (rootOf(reader)) {
          used.add(reader);
          isOften ||= isHeavy(reader);
          continue;
        }
        for (const made of reader.outputs) {
          if (stored.has(made)) used.add(made);
          else for (const user of users.get(made) ?? []) used.add(user);
          // A view between does not make it cheaper.
          isOften ||= !stored.has(made) && oftenRead.has(made);
        }
      }
      users.set(value, used);
      const isResult = results.has(value);
      const keep = rootOf(node)
        ? used.size > 0 || isResult
        : isResult || forced.has(value) || isLongJoin(node) || (!isView(node) && (isOften || used.size > 1));
      if (keep) stored.add(value);
      else if (isOften) oftenRead.add(value);
    }
  }
  return { stored, users };
}

/** What the expression of a value reads from memory. */
export function sourcesOf(value: Value, stored: ReadonlySet<Value>): Set<Value> {
  const found = new Set<Value>();
  const seen = new Set<Value>();
  const stack = [value];
  for (let next = stack.pop(); next; next = stack.pop())
    for (const input of next.node!.inputs) {
      if (seen.has(input)) continue;
      seen.add(input);
      if (!input.node || stored.has(input)) found.add(input);
      else stack.push(input);
    }
  return found;
}

/** Parts of a value's expression that are expressions themselves, the largest first. */
export function partsOf(value: Value, stored: ReadonlySet<Value>): Value[] {
  const parts: Value[] = [];
  const stack = [value];
  for (let next = stack.pop(); next; next = stack.pop())
    for (const input of next.node?.inputs ?? [])
      if (input.node && !stored.has(input)) {
        if (!isView(input.node)) parts.push(input);
        stack.push(input);
      }
  return parts;
}

/** Parts that are to be stored so that no expression reads more arrays than `most`. */
export function splitToFit(
  { nodes }: LiveGraph,
  stored: ReadonlySet<Value>,
  scalars: ReadonlyMap<Value, number>,
  most: number,
): Set<Value> {
  const kept = new Set(stored);
  const split = new Set<Value>();
  /** All scalars are one array. Shapes and other plain numbers belong to the text. */
  const arrays = (value: Value): number => {
    const bound = [...sourcesOf(value, kept)].filter((read) => !read.data || sizeOf(read.shape) > 1);
    const apart = bound.filter((read) => !scalars.has(read) && read.dtype !== "int64").length;
    return apart + Number(bound.some((read) => scalars.has(read)));
  };
  for (const node of nodes) {
    if (rootOf(node) || isLongJoin(node)) continue;
    for (const value of node.outputs) {
      while (stored.has(value) && arrays(value) > most) {
        // The largest part that fits leaves the fewest for the rest.
        const counts = [...new Set(partsOf(value, kept))].map((part) => [part, arrays(part)] as const);
        const [best, count] = counts.reduce((a, b) => (b[1] <= most && b[1] > a[1] ? b : a), [
          undefined,
          1,
        ] as readonly [Value | undefined, number]);
        if (!best || count < 2) break;
        kept.add(best);
        split.add(best);
      }
    }
  }
  return split;
}

/** What the expression of a value binds, and what of it is read elsewhere than at its own place. */
export type Binds = Pick<KernelBuilder, "buffers" | "usesScalars" | "readElsewhere">;

/** A function that says what expressions bind: each is written once to see. */
export function bindsOf(style: Style, placement: Placement): (value: Value) => Binds {
  const known = new Map<Value, Binds>();
  return (value) => {
    const made = known.get(value);
    if (made) return made;
    const kernel = new KernelBuilder(style, placement, expression, "");
    expression(kernel, value, new Index(value.shape, undefined, OWN_PLACE));
    known.set(value, kernel);
    return kernel;
  };
}

/** A stage for each root, and for each stored expression. */
export function firstStages({ nodes }: LiveGraph, stored: ReadonlySet<Value>): Stage[] {
  return nodes.flatMap((node, position): Stage[] => {
    const values = node.outputs.filter((value) => stored.has(value));
    if (values.length === 0) return [];
    return rootOf(node)
      ? [{ position, values, root: node }]
      : values.map((value) => ({ position, values: [value] }));
  });
}

const isJoin = ({ values: [{ node }] }: Stage): boolean => node!.op === "Concat";
/** Whether a stage is a join that is written part by part. */
export const isWrittenInParts = (stage: Stage): boolean => !stage.root && isLongJoin(stage.values[0].node!);

/** Puts an expression behind the root whose result it alone uses, at the same places. */
export function withEpilogues(
  stages: readonly Stage[],
  binds: (value: Value) => Binds,
  placement: Placement & { stored: Set<Value> },
  users: Users,
  results: ReadonlySet<Value>,
  maxBuffers: number,
): Stage[] {
  const isBound = (value: Value): boolean => value.dtype !== "int64" && !placement.scalars.has(value);
  /** Whether a root and an expression behind it bind few enough arrays, the scalars counted among them. */
  const fit = (root: GraphNode, value: Value): boolean => {
    const read = root.outputs.flatMap((output) => [...sourcesOf(output, placement.stored)]);
    const arrays = new Set([value, ...read.filter(isBound), ...binds(value).buffers]);
    for (const output of root.outputs) arrays.delete(output);
    return arrays.size + 1 <= maxBuffers;
  };
  const roots = new Map(
    stages.flatMap((stage) =>
      stage.root && stage.values.length === 1 ? [[stage.values[0], stage] as const] : [],
    ),
  );
  const gone = new Set<Stage>();
  for (const stage of stages) {
    if (stage.root || isJoin(stage)) continue;
    const [value] = stage.values;
    const candidates = [...sourcesOf(value, placement.stored)].filter((source) => {
      const made = roots.get(source);
      return (
        made &&
        !gone.has(made) &&
        made.root!.outputs.includes(source) &&
        !results.has(source) &&
        users.get(source)!.size === 1 &&
        sizeOf(source.shape) === sizeOf(value.shape) &&
        fit(made.root!, value) &&
        !binds(value).readElsewhere.has(source)
      );
    });
    const source = candidates.find(({ node }) => isHeavy(node!)) ?? candidates[0];
    if (!source) continue;
    gone.add(roots.get(source)!);
    placement.stored.delete(source);
    stage.root = source.node;
  }
  return stages.filter((stage) => !gone.has(stage));
}

/** Values that one kernel writes, and how far back it is looked for one that reads the same. */
const MOST_VALUES = 8;
const LOOK_BACK = 32;

/** Expressions of one size that read the same become one kernel, as far as nothing between needs them earlier. */
export function together(
  stages: readonly Stage[],
  binds: (value: Value) => Binds,
  placement: Placement,
  maxBuffers: number,
): Stage[] {
  const ordered = [...stages].sort((a, b) => a.position - b.position);
  const place = new Map(ordered.map((stage, i) => [stage, i]));
  const reads = new Map(ordered.map((stage) => [stage, readsOf(stage, placement.stored)]));
  const readersOf = new Map<Value, number[]>();
  for (const stage of ordered)
    for (const value of reads.get(stage)!) append(readersOf, value, place.get(stage)!);
  /** What the values of a stage bind together, those that they write among it. */
  const bound = (values: readonly Value[]): number => {
    const arrays = new Set(values.flatMap((value) => binds(value).buffers));
    for (const value of values) if (!placement.scalars.has(value)) arrays.add(value);
    const usesScalars = values.some((value) => binds(value).usesScalars || placement.scalars.has(value));
    return arrays.size + Number(usesScalars);
  };
  const open = new Map<number, Stage[]>();
  const gone = new Set<Stage>();
  for (const stage of ordered) {
    if (stage.root || isJoin(stage)) continue;
    const [value] = stage.values;
    const size = sizeOf(value.shape);
    const mine = reads.get(stage)!;
    const here = place.get(stage)!;
    const likeMine = [...mine].filter((read) => !read.data && sizeOf(read.shape) === size);
    const fits = (host: Stage): boolean => {
      if (host.values.length >= MOST_VALUES) return false;
      const theirs = reads.get(host)!;
      if (size !== 1 && !likeMine.some((read) => theirs.has(read) || host.values.includes(read)))
        return false;
      const there = place.get(host)!;
      const isNeededBetween = host.values.some((made) =>
        readersOf.get(made)?.some((at) => at > there && at < here && !gone.has(ordered[at])),
      );
      if (isNeededBetween) return false;
      if (host.values.some((made) => binds(value).readElsewhere.has(made))) return false;
      return bound([...host.values, value]) <= maxBuffers;
    };
    const candidates = open.get(size);
    const host = candidates?.slice(-LOOK_BACK).reverse().find(fits);
    if (host) {
      host.values.push(value);
      host.position = stage.position;
      place.set(host, here);
      for (const read of mine) {
        reads.get(host)!.add(read);
        append(readersOf, read, here);
      }
      // What it read before is read here now.
      ordered[here] = host;
      gone.add(stage);
    } else append(open, size, stage);
  }
  return stages.filter((stage) => !gone.has(stage));
}

/** What a stage reads from memory. */
export const readsOf = (stage: Stage, stored: ReadonlySet<Value>): Set<Value> =>
  new Set(
    (stage.root ? [...stage.root.outputs, ...stage.values] : stage.values).flatMap((value) => [
      ...sourcesOf(value, stored),
    ]),
  );
