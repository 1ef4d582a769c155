/** From a graph to kernels in order, and the memory that they share. */
import { type GraphNode, type LiveGraph, sizeOf, type Value } from "../graph.ts";
import { standAbreast } from "./abreast.ts";
import type { KernelBuilder, Placement } from "./builder.ts";
import { checkPlan } from "./check.ts";
import { callsOf } from "./epilogues.ts";
import { joinedParts, joinInParts } from "./joins.ts";
import { hasKernel, kernelOf, type Stage } from "./kernels.ts";
import type { Style } from "./language.ts";
import { callOf, narrowCopies, productCall } from "./library.ts";
import { type Context, isJoin, sumsOfFactors, sumsTogether, together, withEpilogues } from "./merging.ts";
import type { Storage } from "./precision.ts";
import {
  type Binds,
  bindsOf,
  firstStages,
  keptValues,
  partsOf,
  readsOf,
  sourcesOf,
  splitToFit,
} from "./stages.ts";
import { narrowValues } from "./storage.ts";

export interface PlanOptions {
  style: Style;
  /** Arrays that a kernel may bind, the scalars among them. */
  maxBuffers: number;
  /** Arguments that may be written over, by the result that may take their place. */
  mayOverwrite?: ReadonlyMap<Value, Value>;
  /** How large arrays between kernels lie in memory. Default: float32. */
  storage?: Storage;
}

export interface Plan {
  kernels: KernelBuilder[];
  /** Values in memory, beside arguments and constants. */
  stored: ReadonlySet<Value>;
  /** Single numbers, by their place in the array of scalars. */
  scalars: ReadonlyMap<Value, number>;
  /** Results that are written over an argument, and which. */
  over: ReadonlyMap<Value, Value>;
  /** Values that lie in memory in half the width. */
  narrow: ReadonlySet<Value>;
}

/** Attempts to find what fits a device's bindings: each stores a value more of every kernel that did not. */
const ATTEMPTS = 100;

/** Plans the kernels of a graph. @throws naming an operator that has none. */
export function makePlan(live: LiveGraph, outputs: readonly Value[], options: PlanOptions): Plan {
  const missing = live.nodes.find((node) => node.body || !hasKernel(node));
  if (missing) throw new Error(`jit: the operator ${missing.op} has no kernel on a GPU`);
  const results = new Set(outputs.filter(({ node }) => node));
  const forced = new Set<Value>();
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const plan = planWith(live, results, forced, options);
    if ("stored" in plan) {
      checkPlan(live, plan);
      return plan;
    }
    for (const [stage, placed] of plan.tooMany) {
      const part = stage.values
        .flatMap((value) => partsOf(value, placed))
        .find((value) => !forced.has(value));
      if (!part)
        throw new Error(
          `jit: a kernel (${stage.values.map(({ node }) => node!.op)}) needs more arrays at once than the device's ${options.maxBuffers}`,
        );
      forced.add(part);
    }
  }
  throw new Error("jit: no plan fits the device's number of arrays");
}

type Attempt = Plan | { tooMany: [stage: Stage, stored: ReadonlySet<Value>][] };

function planWith(
  live: LiveGraph,
  results: ReadonlySet<Value>,
  forced: ReadonlySet<Value>,
  { style, maxBuffers, mayOverwrite = new Map(), storage = "float32" }: PlanOptions,
): Attempt {
  const isCall = (node: GraphNode): boolean => style.library !== undefined && productCall(node) !== undefined;
  const isClosed = (node: GraphNode): boolean => isCall(node) || style.own?.closes(node) === true;
  const kept = keptValues(live, results, forced);
  const scalarsOf = (stored: ReadonlySet<Value>): Map<Value, number> => {
    const single = [...live.inputs, ...stored].filter(({ shape, data }) => sizeOf(shape) === 1 && !data);
    return new Map(single.map((value, i) => [value, i]));
  };
  // What is written is bound too.
  const split = splitToFit(live, kept.stored, scalarsOf(kept.stored), maxBuffers - 1);
  const parts = joinedParts(live, new Set([...kept.stored, ...split]), kept.users, results, isCall);
  const wholes = [...parts.values()].map(({ whole }) => whole);
  // Once more, as what is stored beside uses what it is computed from.
  const { stored, users } = keptValues(
    live,
    results,
    new Set([...forced, ...split, ...parts.keys(), ...wholes]),
  );
  const scalars = scalarsOf(stored);
  const narrow = storage === "float32" ? new Set<Value>() : narrowValues(live, stored, results);
  const positions = new Map(live.nodes.map((node, i) => [node, i]));
  const inHalves = storage !== "float32";
  const made = firstStages(live, stored);
  const first = style.library ? callsOf(made, { stored, narrow, users, results, positions }, inHalves) : made;
  // A library multiplies numbers of one width.
  const copied = style.library && inHalves ? narrowCopies(first, narrow) : [];
  for (const { values } of copied)
    for (const copy of values) {
      stored.add(copy);
      narrow.add(copy);
    }
  const placement = {
    stored,
    scalars,
    parts,
    ...(storage !== "float32" && { narrow: { values: narrow, format: storage } }),
  };
  const binds = bindsOf(style, placement);
  const context: Context = { binds, placement, users, results, positions, maxBuffers, isClosed };
  // Factors that are brought as matrices are rounded: their sums are not.
  const passes = [...(style.roundsFactors ? [] : [sumsOfFactors]), sumsTogether, withEpilogues, together];
  const stages = passes
    .reduce((made, pass) => pass(made, context), [...first, ...copied])
    .sort((a, b) => a.position - b.position);
  const over = overwritten(stages, binds, placement, mayOverwrite);
  const kernels: KernelBuilder[] = [];
  const launched = standAbreast(stages, over, context);
  const tooMany: [Stage, ReadonlySet<Value>][] = [];
  for (const stage of launched) {
    // Of nothing nothing is computed.
    if (stage.values.every(({ shape }) => sizeOf(shape) === 0)) continue;
    const placed = { ...placement, over };
    const own = stage.root && style.own?.kernelOf(style, placed, stage.root);
    const made = stage.call
      ? [callOf(style, placed, stage)]
      : own
        ? [own]
        : (joinInParts(stage, style, placement) ?? [kernelOf(style, placed, stage)]);
    if (made.some(({ buffers, usesScalars }) => buffers.length + Number(usesScalars) > maxBuffers))
      tooMany.push([stage, stored]);
    kernels.push(...made);
  }
  if (tooMany.length > 0) return { tooMany };
  return { kernels, stored, scalars, over, narrow };
}

/** Results that can be written over an argument: nothing later reads it, and their kernel only at the same places. */
function overwritten(
  stages: readonly Stage[],
  binds: (value: Value) => Binds,
  placement: Placement,
  mayOverwrite: ReadonlyMap<Value, Value>,
): Map<Value, Value> {
  const lastRead = new Map<Value, number>();
  const makes = new Map<Value, number>();
  stages.forEach((stage, i) => {
    for (const value of readsOf(stage, placement.stored)) lastRead.set(value, i);
    for (const value of stage.values) makes.set(value, i);
  });
  const over = new Map<Value, Value>();
  for (const [result, argument] of mayOverwrite) {
    const at = makes.get(result);
    if (at === undefined || placement.scalars.has(result)) continue;
    if ((lastRead.get(argument) ?? -1) > at) continue;
    const stage = stages[at];
    // Its parts are written at other times than its own.
    if (isJoin(stage)) continue;
    // A root reads its operands elsewhere than where it writes.
    if (
      stage.root &&
      [stage.root, ...(stage.beside ?? [])].some(({ outputs }) =>
        outputs.some((value) => sourcesOf(value, placement.stored).has(argument)),
      )
    )
      continue;
    const expressions = stage.root ? [...(stage.behind?.values() ?? [])].flat() : stage.values;
    if (expressions.some((value) => binds(value).readElsewhere.has(argument))) continue;
    // Behind a root each result is stored before the next one is computed, which must not find it in an argument's place.
    if (
      stage.root &&
      expressions.some((value) => value !== result && binds(value).buffers.includes(argument))
    )
      continue;
    over.set(result, argument);
  }
  return over;
}
