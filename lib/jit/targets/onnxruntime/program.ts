/** A traced function, run by onnxruntime on the processor. */
import { flattenTree } from "../../../tensor/tree.ts";
import { hostNumbers, isOnHost, type Memory, newBuffer, tensorOver } from "../../buffers.ts";
import type { GraphData } from "../../element-types.ts";
import { type GraphNode, sizeOf, type Value } from "../../graph.ts";
import { written } from "../../lower.ts";
import type { RecordedRun } from "../../profile.ts";
import { type CompileOptions, type Program, placeOutputs, type Target, type Traced } from "../../program.ts";
import type { Leaf } from "../../structure.ts";
import { aliasChecker } from "./alias.ts";
import { cachedSession, dismiss, folderOf, guessSession } from "./cache.ts";
import { ONNXRUNTIME } from "./dialect.ts";
import { encodeOnnx } from "./onnx.ts";
import { idleOptimizers } from "./optimizers.ts";
import { recordedRuns, recordTrace } from "./record.ts";
import { type Binding, createSession, type Session } from "./session.ts";

const newArray = ({ shape, dtype }: Value): GraphData => {
  const size = sizeOf(shape);
  if (dtype === "float32") return new Float32Array(size);
  return dtype === "int32" ? new Int32Array(size) : new Uint8Array(size);
};

const countNodes = (nodes: readonly GraphNode[]): number =>
  nodes.reduce((count, { body }) => count + 1 + (body ? countNodes(body.nodes) : 0), 0);

/** Traces a function and compiles it for arguments of some leaves. */
async function compile(
  trace: () => Promise<Traced>,
  leaves: readonly Leaf[],
  donated: readonly boolean[],
  { cache, identity = [], ...options }: CompileOptions,
): Promise<Program> {
  const folder = folderOf(cache);
  const guess = folder === undefined ? undefined : guessSession(folder, identity, options);
  try {
    const start = performance.now();
    const traced = written(await trace(), ONNXRUNTIME);
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
  const places = placeOutputs(traced, leaves, donated, aliasChecker(traced.live));
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
    precision: { storage: "float32", products: "float32" } as const,
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
    release: () => session?.release(),
    reads: [...new Set([...feeds.map(({ index }) => index), ...returned])],
    async run(numbers, { owned, written }) {
      const buffers = places.map(({ leaf, value, computed }) => {
        const given = leaf === undefined ? undefined : owned.get(leaf);
        const donated = given && isOnHost(given.data) ? given : undefined;
        if (donated && computed) written.add(donated.data);
        // An argument that comes back as it is, and that others may hold, must not be written by a later call either.
        return donated ?? (computed ? newBuffer(newArray(value)) : newBuffer(numbers.get(leaf!)!, true));
      });
      await session?.run(
        feeds.map(({ index, value }) => bind(value.name, value, numbers.get(index) as GraphData)),
        places.flatMap(({ name, value, computed }, i) =>
          computed ? [bind(name, value, buffers[i].data as GraphData)] : [],
        ),
      );
      stats.calls++;
      stats.overwritten += written.size;
      return traced.rebuild(places.map(({ value }, i) => tensorOver(buffers[i], value)));
    },
  };
}

/** Runs a graph with onnxruntime's own trace. */
async function record(
  traced: Traced,
  leaves: readonly Leaf[],
  numbers: ReadonlyMap<number, Memory>,
  { threads, runs }: { threads: number; runs: number },
): Promise<RecordedRun[]> {
  const graph = written(traced, ONNXRUNTIME);
  const without = idleOptimizers(graph.live.nodes);
  const trace = await recordTrace(async (profile) => {
    let session: Session | undefined;
    const given = leaves.map(() => false);
    // A stored model has other nodes' names than the graph.
    const program = await compileTraced(graph, leaves, given, 0, async (model) => {
      session = await createSession(model, { threads, profile }, { without });
      return { session, cached: false };
    });
    for (let i = 0; i < runs; i++) {
      const result = await program.run(numbers, { owned: new Map(), written: new Set() });
      for (const { tensor } of flattenTree(result)) tensor.dispose();
    }
    const file = session!.endProfile();
    program.release();
    return file;
  });
  const results = graph.outputs.map(({ value }) => value);
  return recordedRuns(trace, runs, graph.live, results);
}

/** Processors, by onnxruntime. */
export const onnxruntime: Target = {
  name: "cpu",
  record,
  dialect: ONNXRUNTIME,
  numbersOf: ({ tensor }) => hostNumbers(tensor),
  compile,
};
