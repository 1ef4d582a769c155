/** What is stored, what is computed where it is read, and what is computed together. */
import { type GraphNode, type LiveGraph, sizeOf, type Value } from "../graph.ts";
import { Index, KernelBuilder, OWN_PLACE, type Placement } from "./builder.ts";
import { expression, isHeavy, isView, rootOf, type Stage } from "./kernels.ts";
import type { Style } from "./language.ts";
import { readByCall } from "./library.ts";

/** A join is written part by part from so many parts on: to choose between them at every number would take longer. */
const MANY_PARTS = 5;
export const isLongJoin = ({ op, inputs }: GraphNode): boolean =>
  op === "Concat" && inputs.length >= MANY_PARTS;

export const append = <K, V>(map: Map<K, V[]>, key: K, value: V): void => {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
};

/** Where each value is used: in the kernels of stored values and of roots. */
export type Users = ReadonlyMap<Value, ReadonlySet<Value | GraphNode>>;

export interface Kept {
  stored: Set<Value>;
  users: Users;
}

const CHEAP = new Set(["Add", "Sub", "Mul", "Neg"]);
/** Whether to compute a value again takes no more reading than to read it: of one array, and single numbers. */
const isCheap = ({ op, inputs }: GraphNode): boolean =>
  CHEAP.has(op) && inputs.filter(({ shape }) => sizeOf(shape) > 1).length === 1;

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
      const isShared = used.size > 1 && !isCheap(node);
      const keep = rootOf(node)
        ? used.size > 0 || isResult
        : isResult || forced.has(value) || isLongJoin(node) || (!isView(node) && (isOften || isShared));
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

/** What a stage reads from memory. */
export const readsOf = (
  { root, beside = [], values, call }: Stage,
  stored: ReadonlySet<Value>,
): Set<Value> => {
  const roots = root ? [root, ...beside].flatMap(({ outputs }) => outputs) : [];
  const read = new Set([...roots, ...values].flatMap((value) => [...sourcesOf(value, stored)]));
  for (const value of call ? readByCall(call) : []) read.add(value);
  // What it makes itself is at hand.
  if (root) for (const value of [...roots, ...values]) read.delete(value);
  return read;
};
