/** The stand-ins through koffi, as tests need them: every call by its name, and the few that all tests share. */
import { join } from "node:path";
import koffi from "koffi";
import { buildStandIns, clearReport, type Report, report } from "./build.ts";

const [P, U, D, Z, I] = ["void *", "unsigned int", "uint64_t", "size_t", "int"];
const DRIVER: Readonly<Record<string, readonly string[]>> = {
  cuInit: [U],
  cuDriverGetVersion: [P],
  cuGetErrorName: [I, P],
  cuGetErrorString: [I, P],
  cuDeviceGetCount: [P],
  cuDeviceGet: [P, I],
  cuDeviceGetName: [P, I, I],
  cuDeviceGetUuid_v2: [P, I],
  cuDeviceGetAttribute: [P, I, I],
  cuDeviceTotalMem_v2: [P, I],
  cuDevicePrimaryCtxRetain: [P, I],
  cuDevicePrimaryCtxRelease_v2: [I],
  cuCtxSetCurrent: [D],
  cuCtxGetCurrent: [P],
  cuCtxSynchronize: [],
  cuModuleLoadData: [P, P],
  cuModuleUnload: [D],
  cuModuleGetFunction: [P, D, "str"],
  cuFuncSetAttribute: [D, I, I],
  cuFuncGetAttribute: [P, I, D],
  cuMemGetInfo_v2: [P, P],
  cuMemAlloc_v2: [P, Z],
  cuMemFree_v2: [D],
  cuMemHostAlloc: [P, Z, U],
  cuMemFreeHost: [D],
  cuMemcpyHtoDAsync_v2: [D, P, Z, D],
  cuMemcpyDtoHAsync_v2: [P, D, Z, D],
  cuMemcpyDtoDAsync_v2: [D, D, Z, D],
  cuMemsetD8Async: [D, "uint8_t", Z, D],
  cuMemsetD32Async: [D, U, Z, D],
  cuStreamCreate: [P, U],
  cuStreamSynchronize: [D],
  cuStreamDestroy_v2: [D],
  cuStreamWaitEvent: [D, D, U],
  cuStreamBeginCapture_v2: [D, I],
  cuStreamEndCapture: [D, P],
  cuStreamIsCapturing: [D, P],
  cuGraphInstantiateWithFlags: [P, D, "uint64_t"],
  cuGraphLaunch: [D, D],
  cuGraphExecDestroy: [D],
  cuGraphDestroy: [D],
  cuEventCreate: [P, U],
  cuEventRecord: [D, D],
  cuEventQuery: [D],
  cuEventSynchronize: [D],
  cuEventElapsedTime: [P, D, D],
  cuEventDestroy_v2: [D],
  cuLaunchKernel: [D, U, U, U, U, U, U, U, D, P, P],
};
/** A pointer as a bigint, an int as a number, anything else as its bytes. */
export type Argument = bigint | number | ArrayBufferView;
export type Three = readonly [number, number, number];
type Numbers = Float32Array | Uint16Array | Int32Array | Uint8Array;

export type Harness = ReturnType<typeof open>;
function open(folder: string) {
  const functions: Record<string, (...args: unknown[]) => number> = {};
  const driver = koffi.load(join(folder, "libcuda.so.1"));
  for (const [name, parameters] of Object.entries(DRIVER))
    functions[name] = driver.func(name, I, [...parameters]);
  const compiler = koffi.load(join(folder, "libnvrtc.so.13"));
  const nvrtc = (name: string, ...parameters: string[]) => compiler.func(name, I, parameters);
  const create = nvrtc("nvrtcCreateProgram", P, "str", "str", I, P, P);
  const build = nvrtc("nvrtcCompileProgram", D, I, "str *");
  const sizes = { code: nvrtc("nvrtcGetCUBINSize", D, P), log: nvrtc("nvrtcGetProgramLogSize", D, P) };
  const texts = { code: nvrtc("nvrtcGetCUBIN", D, P), log: nvrtc("nvrtcGetProgramLog", D, P) };
  const out = new BigUint64Array(1);

  const status = (name: string, ...args: unknown[]): number => functions[name](...args);
  const call = (name: string, ...args: unknown[]): void => {
    const error = status(name, ...args);
    if (error !== 0) throw new Error(`${name}: ${error}`);
  };
  /** For calls whose result comes first. */
  const get = (name: string, ...args: unknown[]): bigint => {
    call(name, out, ...args);
    return out[0];
  };
  let stream = 0n;
  /** A new context, whatever became of the last one. */
  const reset = (): void => {
    if (stream) status("cuDevicePrimaryCtxRelease_v2", 0);
    call("cuInit", 0);
    call("cuCtxSetCurrent", get("cuDevicePrimaryCtxRetain", 0));
    stream = get("cuStreamCreate", 1);
    clearReport({ folder });
  };
  const alloc = (bytes: number): bigint => get("cuMemAlloc_v2", bytes);
  const compile = (source: string, options: readonly string[] = ["--gpu-architecture=sm_90"]) => {
    const program = new BigUint64Array(1);
    create(program, source, "kernel.cu", 0, null, null);
    const result: number = build(program[0], options.length, [...options]);
    const read = (what: "code" | "log"): Buffer => {
      sizes[what](program[0], out);
      const bytes = Buffer.alloc(Number(out[0]));
      texts[what](program[0], bytes);
      return bytes;
    };
    return {
      status: result,
      log: read("log").toString("latin1"),
      code: result === 0 ? read("code") : Buffer.alloc(0),
    };
  };
  return {
    folder,
    status,
    call,
    get,
    reset,
    alloc,
    compile,
    get stream() {
      return stream;
    },
    report: (): Report => report({ folder }),
    /** The function of a text's kernel; a checked one looks at each access to memory. */
    kernel(source: string, name: string, { checked = false, shared = 0 } = {}): bigint {
      process.env.DITLAB_EMULATE_CHECK = checked ? "1" : "0";
      const { status: failed, log, code } = compile(source);
      if (failed) throw new Error(log);
      const fn = get("cuModuleGetFunction", get("cuModuleLoadData", code), name);
      if (shared > 48 << 10) call("cuFuncSetAttribute", fn, 8, shared);
      return fn;
    },
    device(data: Numbers): bigint {
      const pointer = alloc(data.byteLength);
      call("cuMemcpyHtoDAsync_v2", pointer, data, data.byteLength, stream);
      return pointer;
    },
    launch(fn: bigint, grid: Three, block: Three, shared: number, ...args: Argument[]): number {
      const cells = args.map((a) =>
        typeof a === "bigint" ? BigUint64Array.of(a) : typeof a === "number" ? Int32Array.of(a) : a,
      );
      const pointers = BigUint64Array.from(cells, (cell) => koffi.address(cell));
      return status("cuLaunchKernel", fn, ...grid, ...block, shared, stream, pointers, null);
    },
    /** Waits for the stream; gives the error that its work ended with. */
    synchronize: (): number => status("cuStreamSynchronize", stream),
    read<T extends Numbers>(into: T, from: bigint): T {
      call("cuMemcpyDtoHAsync_v2", into, from, into.byteLength, stream);
      return into;
    },
  };
}

/** Undefined where they cannot be built. */
export async function openStandIns(): Promise<Harness | undefined> {
  const built = await buildStandIns();
  return built && open(built.folder);
}
