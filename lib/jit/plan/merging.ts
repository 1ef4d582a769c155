/** Stages that become one: what stands behind a root, beside it, or reads the same. */
import { type GraphNode, sameShape, sizeOf, type Value } from "../graph.ts";
import type { Placement } from "./builder.ts";
import { isHeavy, type Stage } from "./kernels.ts";
import { ints, unshaped } from "./root.ts";
import { append, type Binds, readsOf, sourcesOf, type Users } from "./stages.ts";

/** What the passes over stages know. */
export interface Context {
  binds: (value: Value) => Binds;
  placement: Placement & { stored: Set<Value> };
  users: Users;
  results: ReadonlySet<Value>;
  positions: ReadonlyMap<GraphNode, number>;
  maxBuffers: number;
  /** Whether a node's results are stored as they are, and nothing else by its kernel. */
  isClosed: (node: GraphNode) => boolean;
}

export const isJoin = ({ root, values: [{ node }] }: Stage): boolean => !root && node!.op === "Concat";

/** Arrays that a stage binds, what it writes among them; all scalars are one. */
function boundBy(stage: Stage, { binds, placement }: Context): number {
  const { root, values } = stage;
  const expressions = root ? [...(stage.behind?.values() ?? [])].flat() : values;
  const arrays = new Set(expressions.flatMap((value) => binds(value).buffers));
  let usesScalars = expressions.some((value) => binds(value).usesScalars);
  if (root) {
    for (const read of readsOf(stage, placement.stored))
      if (placement.scalars.has(read)) usesScalars = true;
      else if (read.dtype !== "int64" && !(read.data && sizeOf(read.shape) === 1)) arrays.add(read);
    // What stands behind reads what is at hand.
    for (const source of stage.behind?.keys() ?? []) arrays.delete(source);
  }
  for (const value of values)
    if (placement.scalars.has(value)) usesScalars = true;
    else arrays.add(value);
  return arrays.size + Number(usesScalars);
}

/** Whether nothing reads a value before a position of the graph is over. */
function isUnreadUntil(value: Value, position: number, { users, positions }: Context): boolean {
  return [...(users.get(value) ?? [])].every(
    (user) => positions.get("op" in user ? user : user.node!)! > position,
  );
}

const axesOf = ({ inputs: [from, axes] }: GraphNode): number[] =>
  axes ? ints(axes) : from.shape.map((_, i) => i);

const SUMS = new Set(["ReduceSum", "PartialReduceSum"]);
/** How far apart sums may lie that one kernel computes. */
const WINDOW = 8;

/** Sums over the same axes of arrays of one shape become one kernel, where nothing needs the first before the last. */
export function sumsTogether(stages: readonly Stage[], context: Context): Stage[] {
  const gone = new Set<Stage>();
  const recent: Stage[] = [];
  for (const stage of stages) {
    const { root } = stage;
    if (!root || !SUMS.has(root.op) || root.outputs[0].dtype !== "float32" || !root.inputs[1]) continue;
    if (sizeOf(root.outputs[0].shape) === 1) continue;
    const reads = readsOf(stage, context.placement.stored);
    const host = recent.find(
      (other) =>
        other.root!.op === root.op &&
        sameShape(other.root!.inputs[0].shape, root.inputs[0].shape) &&
        sameShape(axesOf(other.root!), axesOf(root)) &&
        sameShape(other.root!.outputs[0].shape, root.outputs[0].shape) &&
        // It is computed where the first one is.
        [...reads].every(({ node }) => !node || context.positions.get(node)! < other.position) &&
        boundBy(
          { ...other, beside: [...(other.beside ?? []), root], values: [...other.values, ...stage.values] },
          context,
        ) <= context.maxBuffers,
    );
    if (host) {
      host.beside = [...(host.beside ?? []), root];
      host.values.push(...stage.values);
      gone.add(stage);
    } else {
      recent.unshift(stage);
      recent.length = Math.min(recent.length, WINDOW);
    }
  }
  return stages.filter((stage) => !gone.has(stage));
}

/** The sums over the rows of a product's transposed factor, a bias's gradient, are computed by the product on its way. */
export function sumsOfFactors(stages: readonly Stage[], context: Context): Stage[] {
  const products = new Map<Value, Stage>();
  for (const stage of stages) {
    const { root } = stage;
    if (root?.op !== "ScaledMatMul" || root.attributes.transA !== 1 || root.outputs[0].shape.length !== 2)
      continue;
    if (context.isClosed(root)) continue;
    products.set(unshaped(root.inputs[0]), stage);
  }
  const gone = new Set<Stage>();
  for (const stage of stages) {
    const { root, beside } = stage;
    if (root?.op !== "ReduceSum" || beside || !root.inputs[1]) continue;
    const [from] = root.inputs;
    const host = products.get(unshaped(from));
    if (!host || host.beside) continue;
    const [depth, rows] = host.root!.inputs[0].shape;
    const axes = axesOf(root);
    const isOverRows =
      axes.every((axis, i) => axis === i) && sizeOf(axes.map((axis) => from.shape[axis])) === depth;
    if (!isOverRows || sizeOf(root.outputs[0].shape) !== rows) continue;
    if (!root.outputs.every((value) => isUnreadUntil(value, host.position, context))) continue;
    host.beside = [root];
    host.values.push(...stage.values);
    gone.add(stage);
  }
  return stages.filter((stage) => !gone.has(stage));
}

/** Puts an expression behind the root whose result it alone uses, at the same places. */
export function withEpilogues(stages: readonly Stage[], context: Context): Stage[] {
  const { binds, placement, users, results, maxBuffers } = context;
  const roots = new Map<Value, Stage>();
  for (const stage of stages)
    if (stage.root && !context.isClosed(stage.root))
      for (const value of stage.values) roots.set(value, stage);
  const gone = new Set<Stage>();
  for (const stage of stages) {
    if (stage.root || isJoin(stage)) continue;
    const [value] = stage.values;
    const { position } = stage;
    const sources = [...sourcesOf(value, placement.stored)];
    const moved = (host: Stage, source: Value): Stage => ({
      ...host,
      position: Math.max(host.position, position),
      values: [value, ...host.values.filter((other) => other !== source)],
      behind: new Map([...(host.behind ?? []), [source, [value]]]),
    });
    const candidates = sources.filter((source) => {
      const host = roots.get(source);
      return (
        host &&
        !results.has(source) &&
        users.get(source)!.size === 1 &&
        sizeOf(source.shape) === sizeOf(value.shape) &&
        !binds(value).readElsewhere.has(source) &&
        // Others of its results would be read while they are being written, or too early.
        host.values.every(
          (other) =>
            other === source || (!sources.includes(other) && isUnreadUntil(other, position, context)),
        ) &&
        boundBy(moved(host, source), context) <= maxBuffers
      );
    });
    const source = candidates.find(({ node }) => isHeavy(node!)) ?? candidates[0];
    if (!source) continue;
    const host = roots.get(source)!;
    Object.assign(host, moved(host, source));
    placement.stored.delete(source);
    gone.add(stage);
  }
  return stages.filter((stage) => !gone.has(stage));
}

/** Values that one kernel writes, and how far back it is looked for one that reads the same. */
const MOST_VALUES = 8;
const LOOK_BACK = 32;

/** A stage with a value more: beside its others, or behind the one that it is computed from. */
function withValue(host: Stage, value: Value, source?: Value): Stage {
  const values = [...host.values, value];
  if (!host.root) return { ...host, values };
  const behind = new Map(host.behind);
  const chain = [...behind].find(([, lasts]) => lasts.includes(source!))?.[0] ?? source!;
  return { ...host, values, behind: behind.set(chain, [...(behind.get(chain) ?? []), value]) };
}

/** Expressions of one size that read the same become one kernel, as far as nothing between needs them earlier. */
export function together(stages: readonly Stage[], context: Context): Stage[] {
  const { binds, placement, maxBuffers } = context;
  const ordered = [...stages].sort((a, b) => a.position - b.position);
  const place = new Map(ordered.map((stage, i) => [stage, i]));
  const reads = new Map(ordered.map((stage) => [stage, readsOf(stage, placement.stored)]));
  const readersOf = new Map<Value, number[]>();
  for (const stage of ordered)
    for (const value of reads.get(stage)!) append(readersOf, value, place.get(stage)!);
  const open = new Map<number, Stage[]>();
  const gone = new Set<Stage>();
  for (const stage of ordered) {
    if (isJoin(stage)) continue;
    const [value] = stage.values;
    const size = sizeOf(value.shape);
    if (stage.root) {
      if (!context.isClosed(stage.root)) append(open, size, stage);
      continue;
    }
    const mine = reads.get(stage)!;
    const here = place.get(stage)!;
    const likeMine = [...mine].filter((read) => !read.data && sizeOf(read.shape) === size);
    const fits = (host: Stage): boolean => {
      if (host.values.length >= MOST_VALUES) return false;
      const theirs = reads.get(host)!;
      const made = host.values.filter((other) => mine.has(other));
      // Behind a root stands what is computed from one number of it, at its place.
      if (
        host.root
          ? made.length !== 1 || sizeOf(made[0].shape) !== size
          : size !== 1 && made.length === 0 && !likeMine.some((read) => theirs.has(read))
      )
        return false;
      const there = place.get(host)!;
      const isNeededBetween = host.values.some((other) =>
        readersOf.get(other)?.some((at) => at > there && at < here && !gone.has(ordered[at])),
      );
      if (isNeededBetween) return false;
      if (made.some((other) => binds(value).readElsewhere.has(other))) return false;
      return boundBy(withValue(host, value, made[0]), context) <= maxBuffers;
    };
    const host = open.get(size)?.slice(-LOOK_BACK).reverse().find(fits);
    if (!host) {
      append(open, size, stage);
      continue;
    }
    Object.assign(
      host,
      withValue(
        host,
        value,
        host.values.find((other) => mine.has(other)),
      ),
    );
    host.position = stage.position;
    place.set(host, here);
    for (const read of reads.get(host)!) append(readersOf, read, here);
    for (const read of mine) {
      if (!host.values.includes(read)) reads.get(host)!.add(read);
      append(readersOf, read, here);
    }
    // What it read before is read here now.
    ordered[here] = host;
    gone.add(stage);
  }
  return stages.filter((stage) => !gone.has(stage));
}
