/** A traced function, compiled: from the arguments' tensors to the result's. */
import type { Tensor } from "../tensor/tf.ts";
import { type Buffer, bufferOf, newBuffer, tensorOver } from "./buffers.ts";
import { type GraphData, type GraphType, graphData } from "./element-types.ts";
import { type GraphNode, type LiveGraph, sizeOf, type Value } from "./graph.ts";
import type { Leaf } from "./structure.ts";
import { aliasChecker } from "./targets/onnxruntime/alias.ts";
import { cachedSession, dismiss, folderOf, guessSession } from "./targets/onnxruntime/cache.ts";
import { encodeOnnx } from "./targets/onnxruntime/onnx.ts";
import { idleOptimizers } from "./targets/onnxruntime/optimizers.ts";
import {
  type Binding,
  createSession,
  type Session,
  type SessionOptions,
} from "./targets/onnxruntime/session.ts";

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
}

export interface Program {
  readonly stats: ProgramStats;
  /** Positions, among the arguments' leaves, of those whose numbers a run takes. */
  readonly reads: readonly number[];
  /** Runs on the leaves' numbers, by position. Results may be written over the buffers in `memory`. */
  run(numbers: ReadonlyMap<number, GraphData>, memory: Memory): Promise<unknown>;
  /** Ends a profile and returns its file. */
  endProfile(): string | undefined;
  /** Frees the compiled code; no run may be under way. */
  release(): void;
}

/** What a run may write over, and what it has begun to write over. */
export interface Memory {
  readonly owned: ReadonlyMap<number, Buffer>;
  readonly written: Set<GraphData>;
}

/** Where an output's numbers come to lie: in the array of the leaf at a position, if that is the call's to write, or in one of their own. */
interface Place extends Output {
  leaf?: number;
  /** False for an argument that is returned as it is. */
  computed: boolean;
}

const newArray = ({ shape, dtype }: Value): GraphData => {
  const size = sizeOf(shape);
  if (dtype === "float32") return new Float32Array(size);
  return dtype === "int32" ? new Int32Array(size) : new Uint8Array(size);
};

/** The numbers of a leaf, as its dtype wants them. */
export async function leafNumbers({ tensor }: Leaf): Promise<GraphData> {
  const buffer = bufferOf(tensor);
  if (buffer) return buffer.data;
  // tfjs casts int32 to float32 by renaming: the array may still be of the former type.
  return graphData(await tensor.data(), tensor.dtype as GraphType);
}

/** `params/x` and `x` for `state/params/x`: the paths by which an output may continue an argument. */
const tails = (path: string): string[] => {
  const parts = path.split("/");
  return parts.slice(1).map((_, i) => parts.slice(i + 1).join("/"));
};

/** Decides where outputs lie. A donated leaf's array takes the output of the same path below its argument, if it can. */
function placeOutputs(
  { live, outputs }: Traced,
  leaves: readonly Leaf[],
  donated: readonly boolean[],
): Place[] {
  const positions = new Map(leaves.map(({ name }, i) => [name, i]));
  const inputs = new Map(live.inputs.map((value) => [value.name, value]));
  const canAlias = aliasChecker(live);
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

const countNodes = (nodes: readonly GraphNode[]): number =>
  nodes.reduce((count, { body }) => count + 1 + (body ? countNodes(body.nodes) : 0), 0);

export interface CompileOptions extends SessionOptions {
  /** Optimized models on disk: whether, or in which folder. */
  readonly cache: boolean | string;
  /** What the program is likely to be the same for in another process. */
  readonly identity?: readonly unknown[];
}

/** Traces a function and compiles it for arguments of some leaves. */
export async function compile(
  trace: () => Promise<Traced>,
  leaves: readonly Leaf[],
  donated: readonly boolean[],
  { cache, identity = [], ...options }: CompileOptions,
): Promise<Program> {
  const folder = folderOf(cache);
  const guess = folder === undefined ? undefined : guessSession(folder, identity, options);
  try {
    const start = performance.now();
    const traced = await trace();
    const traceSeconds = (performance.now() - start) / 1000;
    return await compileTraced(traced, leaves, donated, traceSeconds, (model) => {
      const { nodes } = traced.live;
      const without = idleOptimizers(nodes);
      return folder === undefined || !guess
        ? createSession(model, options, { without }).then((session) => ({ session, cached: false }))
        : cachedSession(model, countNodes(nodes), without, folder, guess, options);
    });
  } finally {
    if (guess) dismiss(guess);
  }
}

async function compileTraced(
  traced: Traced,
  leaves: readonly Leaf[],
  donated: readonly boolean[],
  traceSeconds: number,
  makeSession: (model: Uint8Array) => Promise<{ session: Session; cached: boolean }>,
): Promise<Program> {
  const start = performance.now();
  const places = placeOutputs(traced, leaves, donated);
  const computed = places.filter((place) => place.computed);
  // Without an output to compute there is nothing to run: all that comes back are donated arguments.
  const model = computed.length > 0 ? encodeOnnx(traced.live, computed) : undefined;
  const encoded = performance.now();
  const { session, cached } = model ? await makeSession(model) : { session: undefined, cached: false };
  const stats = {
    nodes: traced.live.nodes.length,
    traceSeconds,
    compileSeconds: (performance.now() - start) / 1000,
    encodeSeconds: (encoded - start) / 1000,
    cached,
    calls: 0,
    inPlace: computed.filter(({ leaf }) => leaf !== undefined).length,
    overwritten: 0,
  };
  const read = new Map(traced.live.inputs.map((value) => [value.name, value]));
  const feeds = leaves
    .map(({ name }, index) => ({ index, value: read.get(name)! }))
    .filter(({ value }) => value !== undefined);
  const returned = places.flatMap(({ leaf, computed }) => (computed || leaf === undefined ? [] : [leaf]));
  const bind = (name: string, { shape, dtype }: Value, data: GraphData): Binding => ({
    name,
    shape,
    dtype,
    data,
  });
  return {
    stats,
    endProfile: () => session?.endProfile(),
    release: () => session?.release(),
    reads: [...new Set([...feeds.map(({ index }) => index), ...returned])],
    async run(numbers, { owned, written }) {
      const buffers = places.map(({ leaf, value, computed }) => {
        const donated = leaf === undefined ? undefined : owned.get(leaf);
        if (donated && computed) written.add(donated.data);
        // An argument that comes back as it is, and that others may hold, must not be written by a later call either.
        return donated ?? (computed ? newBuffer(newArray(value)) : newBuffer(numbers.get(leaf!)!, true));
      });
      await session?.run(
        feeds.map(({ index, value }) => bind(value.name, value, numbers.get(index)!)),
        places.flatMap(({ name, value, computed }, i) =>
          computed ? [bind(name, value, buffers[i].data)] : [],
        ),
      );
      stats.calls++;
      stats.overwritten += written.size;
      return traced.rebuild(places.map(({ value }, i) => tensorOver(buffers[i], value)));
    },
  };
}
