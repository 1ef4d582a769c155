/** onnxruntime's C API: the functions in use, how they are found and called. */
import koffi, { type KoffiFunc, type LibraryHandle } from "koffi";
import { deepStacks } from "../../../native-stacks.ts";
import { installed, libraryPath } from "./library.ts";

/** The version of the C API that is asked for: the table of functions only ever grows. */
const API_VERSION = 22;

export type Pointer = bigint;
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
  GetTensorMutableData: [51, "void *", ["void *", OUT]],
  GetTensorElementType: [60, "void *", ["void *", OUT]],
  GetDimensionsCount: [61, "void *", ["void *", OUT]],
  GetDimensions: [62, "void *", ["void *", OUT, "size_t"]],
  GetTensorTypeAndShape: [65, "void *", ["void *", OUT]],
  CreateCpuMemoryInfo: [69, "void *", ["int", "int", OUT]],
  AllocatorFree: [76, "void *", ["void *", "void *"]],
  GetAllocatorWithDefaultOptions: [78, "void *", [OUT]],
  ReleaseStatus: [93, "void", ["void *"]],
  ReleaseSession: [95, "void", ["void *"]],
  ReleaseValue: [96, "void", ["void *"]],
  ReleaseTensorTypeAndShapeInfo: [99, "void", ["void *"]],
  ReleaseSessionOptions: [100, "void", ["void *"]],
  SessionEndProfiling: [110, "void *", ["void *", "void *", OUT]],
  AddSessionConfigEntry: [130, "void *", ["void *", "str", "str"]],
} as const;

export type Native = Record<keyof typeof FUNCTIONS, KoffiFunc<(...args: unknown[]) => never>>;

/** Errors are thrown, and need not be printed too. */
export const FATAL_ONLY = 4;
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
export function check(native: Native, status: Pointer | null, what: string): void {
  if (!status) return;
  const message = native.GetErrorMessage(status) as unknown as string;
  native.ReleaseStatus(status);
  throw new Error(`onnxruntime: ${what}: ${message}`);
}

/** Calls a function whose last argument is where it puts its result. */
export function get(native: Native, name: keyof Native, ...args: unknown[]): Pointer {
  check(native, native[name](...args, received), name);
  return received[0];
}

export function load(): Runtime {
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
export function cStrings(names: readonly string[]): { pointers: BigUint64Array; text: Uint8Array } {
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

/** What native code reads or writes at the moment: the garbage collector must not take it. */
const inUse = new Set<unknown>();

/** Calls a function on another thread, and keeps `memory` until it is done. */
export function called(
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
