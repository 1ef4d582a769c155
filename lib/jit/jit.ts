/** `jit`: any function over trees of tensors, traced once per structure and run by onnxruntime. */
import { cpus } from "node:os";
import ort from "onnxruntime-node";
import writeFileAtomic from "write-file-atomic";
import { type DataType, type Tensor, tf } from "../tensor/tf.ts";
import { flattenTree, mapTree } from "../tensor/tree.ts";
import { type LiveGraph, liveGraph, type Value } from "./graph.ts";
import { encodeOnnx } from "./onnx.ts";
import { trace } from "./trace.ts";

export interface JitOptions {
  /** Names the function in errors. Default: the function's own name. */
  name?: string;
  /** Threads that one operator may use. Default: the number of processors. */
  threads?: number;
}

/** A traced function that has not been run: what `lower` returns. */
export interface Lowered {
  /** Number of ONNX nodes. */
  nodes: number;
  /** How often each ONNX operator occurs. */
  operators: Record<string, number>;
  inputs: { name: string; shape: number[]; dtype: string }[];
  outputs: { name: string; shape: number[]; dtype: string }[];
  /** The model file's bytes. */
  onnx: Uint8Array;
}

export interface JitStats {
  /** One entry a compiled structure. */
  traces: { nodes: number; traceSeconds: number; compileSeconds: number; calls: number }[];
}

/** A compiled function: called like the original, but asynchronous. */
export interface Compiled<A extends unknown[], R> {
  /** Results are tensors of tfjs's `cpu` backend over the memory that onnxruntime wrote. */
  (...args: A): Promise<R>;
  /** The graph for these arguments; `portable` uses only operators of the ONNX standard, for other runtimes. */
  lower(args: A, options?: { portable?: boolean }): Lowered;
  /** Writes the portable graph for these arguments as an `.onnx` file. */
  save(path: string, args: A): Promise<void>;
  readonly stats: JitStats;
  /** Frees the compiled sessions. The function may be called again; it then compiles again. */
  dispose(): Promise<void>;
}

interface Traced {
  live: LiveGraph;
  outputs: { name: string; value: Value }[];
  /** Rebuilds the function's result from the outputs' tensors. */
  rebuild(tensors: Tensor[]): unknown;
}

interface Program extends Traced {
  session: ort.InferenceSession;
  /** Positions, among the arguments' leaves, of the inputs that the graph reads. */
  feeds: { index: number; name: string }[];
  stats: JitStats["traces"][number];
}

/** Stands for the n-th output tensor in the shape of a function's result. */
class Slot {
  constructor(readonly index: number) {}
}

function fillSlots(skeleton: unknown, tensors: Tensor[]): unknown {
  if (skeleton instanceof Slot) return tensors[skeleton.index];
  if (Array.isArray(skeleton)) return skeleton.map((item) => fillSlots(item, tensors));
  if (typeof skeleton !== "object" || skeleton === null) return skeleton;
  return Object.fromEntries(Object.entries(skeleton).map(([key, item]) => [key, fillSlots(item, tensors)]));
}

/** The values that some input reaches. */
function dependentValues(live: LiveGraph): Set<Value> {
  const dependent = new Set(live.inputs);
  for (const node of live.nodes) {
    if (node.inputs.some((value) => dependent.has(value)))
      for (const value of node.outputs) dependent.add(value);
  }
  return dependent;
}

function traceFunction(
  fn: (...args: never[]) => unknown,
  args: unknown[],
  name: string,
  portable: boolean,
): Traced {
  const outputs: Traced["outputs"] = [];
  const { graph, result: skeleton } = trace(portable, (makeInput, symbolOf) => {
    const symbolic = args.map((arg, i) =>
      mapTree(arg, (like, path) => makeInput(join(`arg${i}`, path), like)),
    );
    const returned = fn(...(symbolic as never[]));
    if (returned instanceof Promise) {
      returned.catch(() => {}); // its own failure is a consequence of what the next line reports
      throw new TypeError(
        `jit: '${name}' returned a promise; expected a synchronous function that returns tensors`,
      );
    }
    return mapTree(returned, (tensor, path) => {
      outputs.push({ name: join("out", path), value: symbolOf(tensor) });
      return new Slot(outputs.length - 1);
    });
  });
  if (outputs.length === 0)
    throw new Error(`jit: '${name}' returned no tensor, so there is nothing to compile`);
  const live = liveGraph(
    graph,
    outputs.map((output) => output.value),
  );
  const dependent = dependentValues(live);
  const constant = outputs.find(({ value }) => !dependent.has(value));
  if (constant) {
    throw new Error(
      `jit: output '${constant.name}' of '${name}' does not depend on the arguments; it is a constant, so compute it outside`,
    );
  }
  return { live, outputs, rebuild: (tensors) => fillSlots(skeleton, tensors) };
}

const join = (prefix: string, path: string): string => (path === "" ? prefix : `${prefix}/${path}`);

const countBy = (names: string[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
};

function lowered({ live, outputs }: Traced): Lowered {
  return {
    nodes: live.nodes.length,
    operators: countBy(live.nodes.map((node) => node.op)),
    inputs: live.inputs.map(({ name, shape, dtype }) => ({ name, shape, dtype })),
    outputs: outputs.map(({ name, value }) => ({ name, shape: value.shape, dtype: value.dtype })),
    onnx: encodeOnnx(live, outputs),
  };
}

async function compile(
  traced: Traced,
  leafPaths: string[],
  threads: number,
  traceSeconds: number,
): Promise<Program> {
  const start = performance.now();
  const session = await ort.InferenceSession.create(encodeOnnx(traced.live, traced.outputs), {
    graphOptimizationLevel: "all",
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const compileSeconds = (performance.now() - start) / 1000;
  const read = new Set(traced.live.inputs.map((value) => value.name));
  const feeds = leafPaths.map((name, index) => ({ name, index })).filter(({ name }) => read.has(name));
  return {
    ...traced,
    session,
    feeds,
    stats: { nodes: traced.live.nodes.length, traceSeconds, compileSeconds, calls: 0 },
  };
}

/** A tfjs tensor on the `cpu` backend over an array, without a copy. */
function hostTensor(values: ort.Tensor, { shape, dtype }: Value): Tensor {
  const engine = tf.engine();
  const make = engine as unknown as { makeTensor(v: unknown, s: number[], d: DataType, b: unknown): Tensor };
  return make.makeTensor(values.data, shape, dtype as DataType, engine.findBackend("cpu"));
}

async function run(program: Program, leaves: Tensor[]): Promise<unknown> {
  const feeds: Record<string, ort.Tensor> = {};
  for (const { index, name } of program.feeds) {
    const { dtype, shape } = leaves[index];
    const data = await leaves[index].data();
    feeds[name] = new ort.Tensor(dtype as "float32", data as Float32Array, shape);
  }
  const results = await program.session.run(feeds);
  program.stats.calls++;
  return program.rebuild(program.outputs.map(({ name, value }) => hostTensor(results[name], value)));
}

/** More compiled structures than this for one function usually mean that a changing number is passed as a plain value. */
const RETRACE_WARNING = 16;

/**
 * Compiles `fn`, a synchronous function of trees of tensors (tensors in nested objects and arrays) to a tree of tensors.
 *
 * The first call for each structure (nesting, shapes, dtypes and plain values such as numbers and strings) traces `fn`
 * once and compiles the graph; later calls only run it. Differentiation inside `fn` (`tf.valueAndGrads`,
 * `tf.customGrad`) becomes part of the graph. A number that changes from call to call must be passed as a tensor
 * (`tf.scalar`), because a plain number is part of the program. State goes in as an argument and comes back as a
 * result: the returned tensors are fed to the next call as they are, without a copy.
 *
 * Throws when `fn` reads a tensor's value, draws random numbers, uses a kernel that cannot be traced (the error lists
 * those that can), or returns a tensor that depends on no argument.
 */
export function jit<A extends unknown[], R>(fn: (...args: A) => R, options: JitOptions = {}): Compiled<A, R> {
  const name = options.name ?? (fn.name || "anonymous function");
  const threads = options.threads ?? cpus().length;
  const programs = new Map<string, Promise<Program>>();
  const stats: JitStats = { traces: [] };

  const prepare = async (args: A, leafPaths: string[]): Promise<Program> => {
    const start = performance.now();
    const traced = traceFunction(fn, args, name, false);
    const program = await compile(traced, leafPaths, threads, (performance.now() - start) / 1000);
    stats.traces.push(program.stats);
    if (stats.traces.length === RETRACE_WARNING) {
      process.emitWarning(
        `jit: '${name}' was traced ${RETRACE_WARNING} times; pass numbers that change as tensors (tf.scalar), and keep shapes fixed`,
      );
    }
    return program;
  };

  const call = async (...args: A): Promise<R> => {
    const flat = args.map((arg, i) => ({ ...flattenTree(arg), prefix: `arg${i}` }));
    const key = flat.map((tree) => tree.key).join("\n");
    let program = programs.get(key);
    if (!program) {
      const paths = flat.flatMap(({ leaves, prefix }) => leaves.map(({ path }) => join(prefix, path)));
      program = prepare(args, paths);
      programs.set(key, program);
      program.catch(() => programs.delete(key));
    }
    const tensors = flat.flatMap(({ leaves }) => leaves.map(({ tensor }) => tensor));
    return (await run(await program, tensors)) as R;
  };

  return Object.assign(call, {
    stats,
    lower: (args: A, { portable = false } = {}) => lowered(traceFunction(fn, args, name, portable)),
    save: (path: string, args: A) =>
      writeFileAtomic(path, Buffer.from(lowered(traceFunction(fn, args, name, true)).onnx)),
    dispose: async () => {
      const compiled = await Promise.all(programs.values());
      programs.clear();
      await Promise.all(compiled.map(({ session }) => session.release()));
    },
  });
}
