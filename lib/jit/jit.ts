/** `jit`: any function over trees of tensors, traced once per structure and run on a target. */
import { availableParallelism } from "node:os";
import { type Tensor, tf } from "../tensor/tf.ts";
import { mapTree } from "../tensor/tree.ts";
import { writeWhole } from "../whole.ts";
import { isOnHost, type Memory } from "./buffers.ts";
import { claim } from "./claims.ts";
import { type Lowered, lowered, traceFunction, written } from "./lower.ts";
import { UnreadTensors } from "./outside.ts";
import { checkPrecision, type Precision } from "./plan/precision.ts";
import type { PlanSummary } from "./plan/summary.ts";
import { profileOf } from "./profile.ts";
import type { Profile } from "./profile-types.ts";
import type { Program, ProgramStats, Target, Traced } from "./program.ts";
import { Leaf, rebuild, structureOf } from "./structure.ts";
import { currentTarget, type TargetName, targetOf } from "./targets/index.ts";
import { PORTABLE } from "./targets/onnxruntime/dialect.ts";
import { refuseWhileTracing } from "./trace.ts";

export interface JitOptions {
  /** Names the function in errors. Default: the function's own name. */
  name?: string;
  /** Where it runs: `cpu` (onnxruntime), `webgpu` or `cuda`. Default: where `useDevice` has put the process, else the processor. */
  target?: TargetName;
  /**
   * On a GPU, how wide the arrays between its kernels are. In 16 bits, factors of products are rounded too, where the GPU
   * multiplies matrices of them (`stats` says whether); in `tf32`, factors alone, to 11 bits, on `cuda` with cuBLASLt. Sums,
   * arguments and results stay float32. A processor computes all in float32. Default: `float32`.
   */
  precision?: Precision;
  /** Threads that one operator may use, on a processor. Default: `DITLAB_THREADS`, or the number of processors. */
  threads?: number;
  /**
   * Positions of arguments that are given away: their tensors cannot be used any more, and their memory takes results, as
   * far as the graph allows, unless their numbers have been read or are shared. State that is passed in and comes back
   * is then updated where it lies. A call that fails gives its arguments back.
   */
  donate?: readonly number[];
  /**
   * Keeps large compiled graphs on disk, and on a GPU which forms of products are the fastest (the first call times them),
   * so that the next process starts faster: in a folder, or (true) in `jit` below
   * the cache folder (`DITLAB_HOME`, else `ditlab` in `XDG_CACHE_HOME` or `~/.cache`).
   * Default: true, unless the environment has `DITLAB_JIT_CACHE=0`.
   */
  cache?: boolean | string;
}

export interface JitStats {
  /** One entry a compiled structure. */
  traces: ProgramStats[];
}

export interface LowerOptions {
  /** With operators of the ONNX standard alone. */
  portable?: boolean;
  /** For another target than the one it would run on. */
  target?: TargetName;
}

/** A compiled function: called like the original, but asynchronous. */
export interface Compiled<A extends unknown[], R> {
  /**
   * Results are tensors over the memory that the target wrote; an eager operation moves them to tfjs's backend. Calls
   * that write over memory wait for earlier ones that read it.
   */
  (...args: A): Promise<R>;
  /**
   * The graph for these arguments, and on a GPU (`target`) its kernels; `portable` uses only operators of the ONNX standard,
   * for other runtimes. It cannot wait
   * for tensors from outside on a backend that is read asynchronously (webgpu): a call before it does.
   */
  lower(args: A, options?: LowerOptions): Lowered;
  /**
   * Where the time of a run with these arguments goes; of donated ones it takes copies. Without arguments, on made-up
   * ones as in the last call that compiled something.
   */
  profile(args?: A, options?: { runs?: number }): Promise<Profile>;
  /** Writes the portable graph for these arguments as an `.onnx` file. */
  save(path: string, args: A): Promise<void>;
  readonly stats: JitStats;
  /** Frees the compiled sessions. The function may be called again; it then compiles again. */
  dispose(): Promise<void>;
}

interface Entry {
  program: Promise<Program>;
  /** Which leaves it reads, known once it is compiled. */
  reads?: readonly number[];
}

/** Disposes all tensors of a tree. tfjs's type for containers knows no interfaces. */
const dispose = (tree: unknown): void => tf.dispose(tree as Parameters<typeof tf.dispose>[0]);

/** Releases arrays of a device that a call held. */
async function released(held: readonly Promise<readonly [number, Memory]>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(held))
    if (outcome.status === "fulfilled" && !isOnHost(outcome.value[1])) outcome.value[1].release();
}

/** A maker of arguments of the same structure, with small positive numbers. It holds none of the tensors themselves. */
function standInsFor<A extends unknown[]>(args: A): () => A {
  const skeleton = mapTree(args, ({ shape, dtype }) => new Leaf({ shape, dtype } as Tensor));
  const standIn = ({ tensor: { shape, dtype } }: Leaf): Tensor =>
    dtype === "float32" ? tf.randomUniform(shape, 0.01, 0.1) : tf.zeros(shape, dtype);
  return () => rebuild(skeleton, standIn) as A;
}

/** The processors that this process may use, unless the environment says otherwise. */
export function defaultThreads(): number {
  const { DITLAB_THREADS } = process.env;
  if (!DITLAB_THREADS) return availableParallelism();
  if (!/^[1-9]\d*$/.test(DITLAB_THREADS))
    throw new RangeError(`DITLAB_THREADS must be a number of threads from 1, got '${DITLAB_THREADS}'`);
  return Number(DITLAB_THREADS);
}

/**
 * Notebook kernels that know this key let such a promise finish before they stop a cell: whoever gave it up would have
 * neither the state that was donated nor its successor.
 */
const FINISH = Symbol.for("Jupyter.finish");

/** Marks a promise as one that holds donated state. */
export const finishing = <T>(promise: Promise<T>): Promise<T> => Object.assign(promise, { [FINISH]: true });

/** More compiled structures than this for one function usually mean that a changing number is passed as a plain value. */
const RETRACE_WARNING = 16;

/**
 * Compiles `fn`, a synchronous function of trees of tensors (tensors in nested objects and arrays) to a tree of tensors.
 *
 * The first call for each structure (nesting, shapes, dtypes and plain values such as numbers and strings) traces `fn`
 * once and compiles the graph; later calls only run it. Differentiation inside `fn` (`tf.valueAndGrads`,
 * `tf.customGrad`) becomes part of the graph. A number that changes from call to call must be passed as a tensor
 * (`tf.scalar`), because a plain number is part of the program. State goes in as an argument and comes back as a
 * result: the returned tensors are fed to the next call as they are, without a copy; with `donate` in the same memory.
 *
 * Throws when `fn` reads a tensor's value, draws random numbers, uses a kernel that cannot be traced (the error lists
 * those that can), or returns a tensor that depends on no argument.
 */
export function jit<A extends unknown[], R>(fn: (...args: A) => R, options: JitOptions = {}): Compiled<A, R> {
  const name = options.name ?? (fn.name || "anonymous function");
  const { threads = defaultThreads(), donate = [], cache = true, precision = "float32" } = options;
  checkPrecision(precision);
  if (options.target !== undefined) targetOf(options.target);
  const targetNow = (): Target => targetOf(options.target ?? currentTarget());
  const programs = new Map<string, Entry>();
  const stats: JitStats = { traces: [] };
  /** Makes arguments like those of the last structure that was compiled. */
  let standIns: (() => A) | undefined;

  const leavesOf = (args: A): { leaves: Leaf[]; donated: boolean[]; key: string } => {
    const structures = args.map((arg, i) => structureOf(arg, `arg${i}`));
    return {
      leaves: structures.flatMap((structure) => structure.leaves),
      donated: structures.flatMap((structure, i) => structure.leaves.map(() => donate.includes(i))),
      key: structures.map((structure) => structure.key).join("\n"),
    };
  };

  /** Traces; tensors from outside whose numbers come asynchronously are read, and it is traced again. */
  const traceWith = async (args: A): Promise<Traced> => {
    // The caller's own trees may change meanwhile.
    const kept = mapTree(args, (tensor) => tensor) as A;
    for (;;) {
      try {
        return traceFunction(fn, kept, name);
      } catch (error) {
        if (!(error instanceof UnreadTensors)) throw error;
        await error.reading;
      }
    }
  };

  const prepare = async (
    target: Target,
    args: A,
    { leaves, donated, key }: ReturnType<typeof leavesOf>,
  ): Promise<Program> => {
    const identity = [name, donate, key];
    const program = await target.compile(() => traceWith(args), leaves, donated, {
      threads,
      cache,
      precision,
      identity,
    });
    stats.traces.push(program.stats);
    if (stats.traces.length === RETRACE_WARNING) {
      process.emitWarning(
        `jit: '${name}' was traced ${RETRACE_WARNING} times; pass numbers that change as tensors (tf.scalar), and keep shapes fixed`,
      );
    }
    return program;
  };

  /** The program for arguments of a structure, compiled if it is the first call with it. */
  const programFor = (
    target: Target,
    key: string,
    args: A,
    structure: ReturnType<typeof leavesOf>,
  ): Promise<Program> => {
    const known = programs.get(key);
    if (known) return known.program;
    const added: Entry = { program: prepare(target, args, structure) };
    standIns = standInsFor(args);
    programs.set(key, added);
    added.program.then(
      ({ reads }) => {
        added.reads = reads;
      },
      () => programs.get(key) === added && programs.delete(key),
    );
    return added.program;
  };

  const start = async (args: A): Promise<R> => {
    const structure = leavesOf(args);
    const { leaves, donated } = structure;
    const target = targetNow();
    const key = `${target.name} ${target.generation?.() ?? 0}\n${structure.key}`;
    // Read before anything is awaited: the caller may dispose its tensors while the call is under way.
    const reads = programs.get(key)?.reads ?? [...leaves.keys()];
    const held = reads.map(async (i) => [i, await target.numbersOf(leaves[i])] as const);
    const reading = Promise.all(held);
    reading.catch(() => {}); // reported below, unless the program already failed
    const written = new Set<Memory>();
    let claimed: ReturnType<typeof claim> | undefined;
    try {
      claimed = claim(leaves, donated, name);
      const { owned, ready } = claimed;
      const program = await programFor(target, key, args, structure);
      const numbers = new Map(await reading);
      await ready;
      const result = (await program.run(numbers, { owned, written })) as R;
      claimed.succeed();
      return result;
    } catch (error) {
      claimed?.fail(written);
      throw error;
    } finally {
      await released(held);
    }
  };

  /** Calls under way: a session is not released below them. */
  const calls = new Set<Promise<unknown>>();
  const call = (...args: A): Promise<R> => {
    refuseWhileTracing();
    const result = start(args);
    const ended = result.then(
      () => {},
      () => {},
    );
    calls.add(ended);
    void ended.then(() => calls.delete(ended));
    return donate.length > 0 ? finishing(result) : result;
  };

  return Object.assign(call, {
    stats,
    lower: (args: A, { portable = false, target: on }: LowerOptions = {}) => {
      const target = on === undefined ? targetNow() : targetOf(on);
      const traced = written(traceFunction(fn, args, name), portable ? PORTABLE : target.dialect);
      const shown = lowered(traced);
      if (portable || !target.summary) return shown;
      const { leaves, donated } = leavesOf(args);
      let plan: PlanSummary | undefined;
      // Planned when it is looked at: who wants a graph's size alone does not wait for it.
      const get = (): PlanSummary | undefined => {
        plan ??= target.summary?.(traced, leaves, donated, precision);
        return plan;
      };
      return Object.defineProperty(shown, "plan", { enumerable: true, get });
    },
    profile: async (given?: A, { runs = 5 } = {}) => {
      const args = given ?? standIns?.();
      if (!args)
        throw new Error(`jit: '${name}' has not been called; call it first, or profile it with arguments`);
      const { leaves } = leavesOf(args);
      const target = targetNow();
      const held = leaves.map(async (leaf, i) => [i, await target.numbersOf(leaf)] as const);
      // Nothing is given away: results lie in memory of their own.
      const use = claim(leaves, [], name);
      try {
        const numbers = new Map(await Promise.all(held));
        return profileOf(
          name,
          await target.record(await traceWith(args), leaves, numbers, { threads, runs, precision }),
        );
      } finally {
        use.fail(new Set());
        await released(held);
        if (!given) dispose(args);
      }
    },
    save: async (path: string, args: A) =>
      writeWhole(path, Buffer.from(lowered(written(await traceWith(args), PORTABLE)).onnx)),
    dispose: async () => {
      const released = [...programs.values()].map(({ program }) => program);
      programs.clear();
      await Promise.all(calls);
      for (const outcome of await Promise.allSettled(released))
        if (outcome.status === "fulfilled") outcome.value.release();
    },
  });
}

/** Where the time of a compiled function goes, shown in notebooks as tables and a plot. See `Compiled.profile`. */
export const profile = <A extends unknown[], R>(
  compiled: Compiled<A, R>,
  options?: { runs?: number },
): Promise<Profile> => compiled.profile(undefined, options);
