/** A traced function as a program: from the arguments' tensors to the result's. What runs it is a target. */
import type { Tensor } from "../tensor/tf.ts";
import type { Buffer, Memory } from "./buffers.ts";
import type { Dialect } from "./dialect.ts";
import type { LiveGraph, Value } from "./graph.ts";
import type { Precision, Storage } from "./plan/precision.ts";
import type { PlanSummary } from "./plan/summary.ts";
import type { RecordedRun } from "./profile.ts";
import type { Leaf } from "./structure.ts";

export interface Output {
  readonly name: string;
  readonly value: Value;
}

export interface Traced {
  live: LiveGraph;
  outputs: Output[];
  /** Rebuilds the function's result from the outputs' tensors. */
  rebuild(tensors: Tensor[]): unknown;
}

/** What one compiled structure is and has done. */
export interface ProgramStats {
  nodes: number;
  traceSeconds: number;
  compileSeconds: number;
  /** The part of `compileSeconds` in which outputs are placed and the model is written. */
  encodeSeconds: number;
  /** Whether the optimized model was found on disk. */
  cached: boolean;
  calls: number;
  /** Outputs that can be written over a donated input. */
  inPlace: number;
  /** Those that were, over all calls: a donated input that was read, or that others hold, is left as it is. */
  overwritten: number;
  /** How wide the arrays between its kernels are, and the factors of its products. */
  precision: { readonly storage: Storage; readonly products: Precision };
}

export interface Program {
  readonly stats: ProgramStats;
  /** Positions, among the arguments' leaves, of those whose numbers a run takes. */
  readonly reads: readonly number[];
  /** Runs on the leaves' numbers, by position. Results may be written over the buffers that are `owned`. */
  run(numbers: ReadonlyMap<number, Memory>, use: Use): Promise<unknown>;
  /** Frees the compiled code; no run may be under way. */
  release(): void;
}

/** What a run may write over, and what it has begun to write over. */
export interface Use {
  readonly owned: ReadonlyMap<number, Buffer>;
  readonly written: Set<Memory>;
}

export interface CompileOptions {
  /** Threads that one operator may use. */
  readonly threads: number;
  /** Compiled code on disk: whether, or in which folder. */
  readonly cache: boolean | string;
  /** How much of its factors a product may round away, and of what lies between kernels. */
  readonly precision: Precision;
  /** What the program is likely to be the same for in another process. */
  readonly identity?: readonly unknown[];
}

/** Where compiled functions run. */
export interface Target {
  readonly name: string;
  /** The operators it has. */
  readonly dialect: Dialect;
  /** A leaf's numbers, where this target's programs read them; whoever asks releases those on a device. */
  numbersOf(leaf: Leaf): Promise<Memory>;
  /** Changes when a device was lost: programs of an earlier one are of no use. */
  generation?(): number;
  /** Traces a function and compiles it for arguments of some leaves. */
  compile(
    trace: () => Promise<Traced>,
    leaves: readonly Leaf[],
    donated: readonly boolean[],
    options: CompileOptions,
  ): Promise<Program>;
  /** What a function, written in its operators, comes to, if it is planned here. */
  summary?(
    traced: Traced,
    leaves: readonly Leaf[],
    donated: readonly boolean[],
    precision: Precision,
  ): PlanSummary;
  /** Runs a traced function several times, and says what took how long. Nothing is written over. */
  record(
    traced: Traced,
    leaves: readonly Leaf[],
    numbers: ReadonlyMap<number, Memory>,
    options: { readonly threads: number; readonly runs: number; readonly precision: Precision },
  ): Promise<RecordedRun[]>;
}

/** Where an output's numbers come to lie: in the array of the leaf at a position, if that is the call's to write, or in one of their own. */
export interface Place extends Output {
  leaf?: number;
  /** False for an argument that is returned as it is. */
  computed: boolean;
}

/** `params/x` and `x` for `state/params/x`: the paths by which an output may continue an argument. */
const tails = (path: string): string[] => {
  const parts = path.split("/");
  return parts.slice(1).map((_, i) => parts.slice(i + 1).join("/"));
};

/**
 * Decides where outputs lie. A donated leaf's array takes the output of the same path below its argument, if
 * `canAlias` says that the output can be written over it.
 */
export function placeOutputs(
  { live, outputs }: Traced,
  leaves: readonly Leaf[],
  donated: readonly boolean[],
  canAlias: (input: Value, output: Value) => boolean,
): Place[] {
  const positions = new Map(leaves.map(({ name }, i) => [name, i]));
  const inputs = new Map(live.inputs.map((value) => [value.name, value]));
  const taken = new Set(
    outputs.filter(({ value }) => !value.node).map(({ value }) => positions.get(value.name)),
  );
  const donors = new Map<string, number>();
  leaves.forEach(({ name }, i) => {
    if (donated[i] && inputs.has(name) && !taken.has(i)) donors.set(name.slice(name.indexOf("/") + 1), i);
  });
  const used = new Set<number>();
  return outputs.map((output) => {
    const { name, value } = output;
    if (!value.node) {
      const leaf = positions.get(value.name)!;
      // An argument that is still the caller's, or that is returned twice, is copied by a node of the graph.
      if (!donated[leaf] || used.has(leaf)) return { ...output, computed: true };
      used.add(leaf);
      return { ...output, leaf, computed: false };
    }
    const leaf = tails(name)
      .map((tail) => donors.get(tail))
      .find((i) => i !== undefined && !used.has(i) && canAlias(inputs.get(leaves[i].name)!, value));
    if (leaf !== undefined) used.add(leaf);
    return { ...output, leaf, computed: true };
  });
}
