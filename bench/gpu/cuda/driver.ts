/** The CUDA driver through koffi: the functions that a compiled training step needs, and timing by events. */
import koffi from "koffi";

const P = "void *";
const U = "unsigned int";
const D = "uint64_t";
const Z = "size_t";
const SIGNATURES: Readonly<Record<string, readonly string[]>> = {
  cuInit: [U],
  cuDriverGetVersion: [P],
  cuGetErrorString: ["int", P],
  cuDeviceGet: [P, "int"],
  cuDeviceGetName: [P, "int", "int"],
  cuDeviceGetAttribute: [P, "int", "int"],
  cuDeviceTotalMem_v2: [P, "int"],
  cuDevicePrimaryCtxRetain: [P, "int"],
  cuCtxSetCurrent: [P],
  cuModuleLoadData: [P, P],
  cuModuleGetFunction: [P, P, "str"],
  cuFuncSetAttribute: [P, "int", "int"],
  cuMemGetInfo_v2: [P, P],
  cuMemAlloc_v2: [P, Z],
  cuMemFree_v2: [D],
  cuMemHostAlloc: [P, Z, U],
  cuMemFreeHost: [P],
  cuMemcpyHtoDAsync_v2: [D, P, Z, P],
  cuMemcpyDtoHAsync_v2: [P, D, Z, P],
  cuMemcpyDtoDAsync_v2: [D, D, Z, P],
  cuMemsetD8Async: [D, "uint8_t", Z, P],
  cuStreamCreate: [P, U],
  cuStreamSynchronize: [P],
  cuStreamBeginCapture_v2: [P, "int"],
  cuStreamEndCapture: [P, P],
  cuGraphInstantiateWithFlags: [P, P, "uint64_t"],
  cuGraphLaunch: [P, P],
  cuGraphExecDestroy: [P],
  cuGraphDestroy: [P],
  cuEventCreate: [P, U],
  cuEventRecord: [P, P],
  cuEventQuery: [P],
  cuEventSynchronize: [P],
  cuEventElapsedTime: ["float *", P, P],
  cuEventDestroy_v2: [P],
  cuLaunchKernel: [P, U, U, U, U, U, U, U, P, P, P],
};
const NOT_READY = 600;

export type Pointer = bigint;
export type Grid = readonly [number, number, number];
/** A pointer as a bigint, an int as a number, a float as a Float32Array of one. */
export type Argument = bigint | number | Float32Array;
export interface Graph {
  launch(): void;
  release(): void;
}

/** A kernel's arguments as the driver takes them, to be made once and kept as long as they are used. */
export interface Packed {
  readonly cells: readonly ArrayBufferView[];
  readonly pointers: BigUint64Array;
}
export function pack(args: readonly Argument[]): Packed {
  const cells = args.map((a) =>
    typeof a === "bigint" ? BigUint64Array.of(a) : typeof a === "number" ? Int32Array.of(a) : a,
  );
  return { cells, pointers: BigUint64Array.from(cells, (cell) => koffi.address(cell)) };
}

export type Driver = ReturnType<typeof openDriver>;
export function openDriver(path = process.platform === "win32" ? "nvcuda.dll" : "libcuda.so.1") {
  const library = koffi.load(path);
  const raw: Record<string, (...args: unknown[]) => number> = {};
  for (const [name, parameters] of Object.entries(SIGNATURES))
    raw[name] = library.func(name, "int", [...parameters]);
  const out = new BigUint64Array(1);
  const word = new Int32Array(1);
  const check = (status: number, what: string): void => {
    if (status === 0) return;
    raw.cuGetErrorString(status, out);
    const message = out[0] ? koffi.decode(out[0], "char", -1) : "unknown error";
    throw new Error(`CUDA: ${what}: ${message} (${status})`);
  };
  const call = (name: string, ...args: unknown[]): void => check(raw[name](...args), name);
  const get = (name: string, ...args: unknown[]): bigint => {
    call(name, out, ...args);
    return out[0];
  };
  const number = (name: string, ...args: unknown[]): number => {
    call(name, word, ...args);
    return word[0];
  };
  call("cuInit", 0);
  const device = number("cuDeviceGet", 0);
  const attribute = (id: number): number => number("cuDeviceGetAttribute", id, device);
  const name = Buffer.alloc(256);
  call("cuDeviceGetName", name, 256, device);
  call("cuCtxSetCurrent", get("cuDevicePrimaryCtxRetain", device));
  const stream = get("cuStreamCreate", 1);
  const start = get("cuEventCreate", 0);
  const end = get("cuEventCreate", 0);
  return {
    raw,
    call,
    get,
    stream,
    name: name.toString("latin1").replace(/\0.*$/s, ""),
    capability: [attribute(75), attribute(76)] as const,
    arch: `sm_${attribute(75)}${attribute(76)}`,
    multiprocessors: attribute(16),
    sharedMemoryPerBlock: attribute(97),
    l2: attribute(38),
    memory: Number(get("cuDeviceTotalMem_v2", device)),
    version: number("cuDriverGetVersion"),
    module: (image: Buffer): bigint => get("cuModuleLoadData", image),
    kernel(module: bigint, symbol: string, shared = 0): bigint {
      const fn = get("cuModuleGetFunction", module, symbol);
      if (shared > 48 << 10) call("cuFuncSetAttribute", fn, 8, shared); // more must be asked for
      return fn;
    },
    alloc: (bytes: number): Pointer => get("cuMemAlloc_v2", bytes),
    free: (pointer: Pointer): void => call("cuMemFree_v2", pointer),
    launch(fn: bigint, grid: Grid, block: Grid, shared: number, { pointers }: Packed): void {
      call("cuLaunchKernel", fn, ...grid, ...block, shared, stream, pointers, null);
    },
    /** All work that `body` gives to the stream, as one graph. */
    capture(body: () => void): Graph {
      call("cuStreamBeginCapture_v2", stream, 2);
      body();
      const graph = get2(raw.cuStreamEndCapture, stream);
      const exec = get("cuGraphInstantiateWithFlags", graph, 0n);
      call("cuGraphDestroy", graph);
      return {
        launch: () => call("cuGraphLaunch", exec, stream),
        release: () => call("cuGraphExecDestroy", exec),
      };
    },
    upload: (to: Pointer, data: ArrayBufferView): void =>
      call("cuMemcpyHtoDAsync_v2", to, data, data.byteLength, stream),
    download: (data: ArrayBufferView, from: Pointer): void =>
      call("cuMemcpyDtoHAsync_v2", data, from, data.byteLength, stream),
    synchronize: (): void => call("cuStreamSynchronize", stream),
    /** Milliseconds on the device: the median of `runs` calls after `warm` ones. */
    milliseconds(body: (run: number) => void, runs = 15, warm = 3): number {
      for (let i = 0; i < warm; i++) body(i);
      const times: number[] = [];
      const elapsed = new Float32Array(1);
      for (let i = 0; i < runs; i++) {
        call("cuEventRecord", start, stream);
        body(i);
        call("cuEventRecord", end, stream);
        call("cuEventSynchronize", end);
        call("cuEventElapsedTime", elapsed, start, end);
        times.push(elapsed[0]);
      }
      return times.sort((a, b) => a - b)[runs >> 1];
    },
    /** Waits without blocking the thread: an event is asked now and then. */
    async done(): Promise<number> {
      const event = get("cuEventCreate", 2);
      call("cuEventRecord", event, stream);
      let asked = 0;
      for (;;) {
        const status = raw.cuEventQuery(event);
        asked++;
        if (status === 0) break;
        if (status !== NOT_READY) check(status, "cuEventQuery");
        await new Promise((resolve) => setTimeout(resolve, 0.2));
      }
      call("cuEventDestroy_v2", event);
      return asked;
    },
  };
  /** For functions whose result comes last. */
  function get2(fn: (...args: unknown[]) => number, first: unknown): bigint {
    check(fn(first, out), "cuStreamEndCapture");
    return out[0];
  }
}
