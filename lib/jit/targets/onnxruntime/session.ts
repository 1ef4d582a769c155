/**
 * onnxruntime through its C API. The binding of the package `onnxruntime-node` runs on the main thread and copies every
 * output, also one that was given memory; here a run happens on a thread of its own, and writes into the arrays that it is
 * given, which may be those that it reads.
 */
import koffi, { type KoffiFunc, type LibraryHandle } from "koffi";
import { deepStacks } from "../../../native-stacks.ts";
import { type GraphData, type GraphType, ONNX_TYPE } from "../../element-types.ts";
import { installed, libraryPath } from "./library.ts";

/** An array under the name of a graph's input or output. */
export interface Binding {
  readonly name: string;
  readonly data: GraphData;
  readonly shape: readonly number[];
  readonly dtype: GraphType;
}

export interface SessionOptions {
  /** Threads that one operator may use. */
  readonly threads: number;
  /** Writes a trace of every node that runs to a file whose name begins so. */
  readonly profile?: string;
}

/** What happens to a model's graph before it is compiled. */
export interface Optimization {
  /** Names of optimizers to leave out; null where the model has been through all of them. */
  readonly without: readonly string[] | null;
  /** Writes the optimized model, in onnxruntime's own format, to this file. */
  readonly save?: string;
}

export interface Session {
  /** Reads `inputs` and writes `outputs`; the arrays must not be touched before it is done. */
  run(inputs: readonly Binding[], outputs: readonly Binding[]): Promise<void>;
  /** Ends the profile and returns its file. */
  endProfile(): string;
  /** No run may be under way. */
  release(): void;
}

/** The version of the C API that is asked for: the table of functions only ever grows. */
const API_VERSION = 22;

type Pointer = bigint;
const OUT = "void *";
const PATH = process.platform === "win32" ? "str16" : "str";
/** The functions in use: position in the table of the C API, and type. A status is null when all went well. */
const FUNCTIONS = {
  GetErrorMessage: [2, "str", ["void *"]],
  CreateEnv: [3, "void *", ["int", "str", OUT]],
  CreateSessionFromArray: [8, "void *", ["void *", "void *", "size_t", "void *", OUT]],
  Run: [9, "void *", ["void *", "void *", "void *", "void *", "size_t", "void *", "size_t", "void *"]],
  CreateSessionOptions: [10, "void *", [OUT]],
  SetOptimizedModelFilePath: [11, "void *", ["void *", PATH]],
  EnableProfiling: [14, "void *", ["void *", PATH]],
  DisableMemPattern: [17, "void *", ["void *"]],
  SetSessionLogSeverityLevel: [22, "void *", ["void *", "int"]],
  SetSessionGraphOptimizationLevel: [23, "void *", ["void *", "int"]],
  SetIntraOpNumThreads: [24, "void *", ["void *", "int"]],
  SetInterOpNumThreads: [25, "void *", ["void *", "int"]],
  CreateTensorWithDataAsOrtValue: [
    49,
    "void *",
    ["void *", "void *", "size_t", "void *", "size_t", "int", OUT],
  ],
  CreateCpuMemoryInfo: [69, "void *", ["int", "int", OUT]],
  AllocatorFree: [76, "void *", ["void *", "void *"]],
  GetAllocatorWithDefaultOptions: [78, "void *", [OUT]],
  ReleaseStatus: [93, "void", ["void *"]],
  ReleaseSession: [95, "void", ["void *"]],
  ReleaseValue: [96, "void", ["void *"]],
  ReleaseSessionOptions: [100, "void", ["void *"]],
  SessionEndProfiling: [110, "void *", ["void *", "void *", OUT]],
  AddSessionConfigEntry: [130, "void *", ["void *", "str", "str"]],
} as const;

type Native = Record<keyof typeof FUNCTIONS, KoffiFunc<(...args: unknown[]) => never>>;

const NO_OPTIMIZATIONS = 0;
const ALL_OPTIMIZATIONS = 99;
/** Errors are thrown, and need not be printed too. */
const FATAL_ONLY = 4;
interface Runtime {
  version: string;
  /** Held, because the library is unloaded with it. */
  library: LibraryHandle;
  native: Native;
  environment: Pointer;
  memory: Pointer;
  allocator: Pointer;
}

let loaded: Runtime | undefined;

/** Receives what a function gives through a pointer. */
const received = new BigUint64Array(1);

/** Throws what a status says. */
function check(native: Native, status: Pointer | null, what: string): void {
  if (!status) return;
  const message = native.GetErrorMessage(status) as unknown as string;
  native.ReleaseStatus(status);
  throw new Error(`onnxruntime: ${what}: ${message}`);
}

/** Calls a function whose last argument is where it puts its result. */
function get(native: Native, name: keyof Native, ...args: unknown[]): Pointer {
  check(native, native[name](...args, received), name);
  return received[0];
}

function load(): Runtime {
  if (loaded) return loaded;
  deepStacks();
  const library = koffi.load(libraryPath(process.platform, process.arch, installed));
  const base = library.func("OrtGetApiBase", "void *", [])() as Pointer;
  const getApi = koffi.decode(koffi.decode(base, "void *"), koffi.proto("void *(uint32_t)"));
  const getVersion = koffi.decode(koffi.decode(base, 8, "void *"), koffi.proto("str", []));
  const table = getApi(API_VERSION) as Pointer | null;
  if (!table)
    throw new Error(
      `onnxruntime-node is too old: version ${API_VERSION} of the C API is needed, which 1.22 brought`,
    );
  const native = Object.fromEntries(
    Object.entries(FUNCTIONS).map(([name, [position, result, parameters]]) => [
      name,
      koffi.decode(koffi.decode(table, position * 8, "void *"), koffi.proto(result, [...parameters])),
    ]),
  ) as Native;
  loaded = {
    library,
    native,
    version: getVersion() as string,
    environment: get(native, "CreateEnv", FATAL_ONLY, "ditlab"),
    memory: get(native, "CreateCpuMemoryInfo", 1, 0),
    allocator: get(native, "GetAllocatorWithDefaultOptions"),
  };
  return loaded;
}

/** Names as C wants them: the addresses of strings that end with a zero. */
function cStrings(names: readonly string[]): { pointers: BigUint64Array; text: Uint8Array } {
  const text = new TextEncoder().encode(names.map((name) => `${name}\0`).join(""));
  const start = koffi.address(text);
  const pointers = new BigUint64Array(names.length);
  let offset = 0;
  names.forEach((name, i) => {
    pointers[i] = start + BigInt(offset);
    offset += Buffer.byteLength(name) + 1;
  });
  return { pointers, text };
}

/** The version of onnxruntime. */
export const runtimeVersion = (): string => load().version;

/** Compiles a model. */
export async function createSession(
  model: Uint8Array,
  options: SessionOptions,
  { without, save }: Optimization,
): Promise<Session> {
  const { native, environment, memory, allocator } = load();
  const settings = get(native, "CreateSessionOptions");
  let session: Pointer;
  try {
    const configure = (key: string, value: string): void =>
      check(native, native.AddSessionConfigEntry(settings, key, value), key);
    const level = without ? ALL_OPTIMIZATIONS : NO_OPTIMIZATIONS;
    check(native, native.SetSessionGraphOptimizationLevel(settings, level), "optimization level");
    if (without) configure("optimization.disable_specified_optimizers", without.join(";"));
    if (save) {
      configure("session.save_model_format", "ORT");
      check(native, native.SetOptimizedModelFilePath(settings, save), save);
    }
    check(native, native.SetIntraOpNumThreads(settings, options.threads), `${options.threads} threads`);
    // A plan of all memory, made in the first run, would stand beside what that run has taken: twice the memory.
    check(native, native.DisableMemPattern(settings), "memory pattern");
    check(native, native.SetInterOpNumThreads(settings, 1), "threads between operators");
    check(native, native.SetSessionLogSeverityLevel(settings, FATAL_ONLY), "log level");
    if (options.profile) check(native, native.EnableProfiling(settings, options.profile), "profile");
    const made = new BigUint64Array(1);
    const status = await called(native.CreateSessionFromArray, [
      environment,
      model,
      model.byteLength,
      settings,
      made,
    ]);
    check(native, status, "this graph cannot be compiled");
    session = made[0];
  } finally {
    native.ReleaseSessionOptions(settings);
  }

  const tensorOf = ({ data, shape, dtype }: Binding): Pointer =>
    get(
      native,
      "CreateTensorWithDataAsOrtValue",
      memory,
      data,
      data.byteLength,
      BigInt64Array.from(shape, BigInt),
      shape.length,
      ONNX_TYPE[dtype],
    );

  return {
    async run(inputs, outputs) {
      const names = [inputs, outputs].map((bindings) => cStrings(bindings.map(({ name }) => name)));
      const values = [inputs, outputs].map((bindings) => BigUint64Array.from(bindings, tensorOf));
      try {
        const args = [
          session,
          null,
          names[0].pointers,
          values[0],
          inputs.length,
          names[1].pointers,
          outputs.length,
          values[1],
        ];
        const status = await called(native.Run, args, names, inputs, outputs);
        check(native, status, "the run failed");
      } finally {
        for (const pointers of values) for (const pointer of pointers) native.ReleaseValue(pointer);
      }
    },
    endProfile() {
      const name = get(native, "SessionEndProfiling", session, allocator);
      const file = koffi.decode.string(name);
      check(native, native.AllocatorFree(allocator, name), "AllocatorFree");
      return file;
    },
    release: () => native.ReleaseSession(session) as unknown as undefined,
  };
}

/** What native code reads or writes at the moment: the garbage collector must not take it. */
const inUse = new Set<unknown>();

/** Calls a function on another thread, and keeps `memory` until it is done. */
function called(
  fn: KoffiFunc<(...args: unknown[]) => never>,
  args: unknown[],
  ...memory: unknown[]
): Promise<Pointer | null> {
  const held = [args, memory];
  inUse.add(held);
  return new Promise((resolve, reject) => {
    fn.async(...args, (error: unknown, result: Pointer | null) => {
      inUse.delete(held);
      if (error) reject(error);
      else resolve(result);
    });
  });
}
