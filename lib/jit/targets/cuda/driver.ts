/** The CUDA driver's functions, through koffi. */
import koffi, { type LibraryHandle } from "koffi";
import { driverCandidates } from "./libraries.ts";

const P = "void *";
const U = "unsigned int";
const I = "int";
const D = "uint64_t";
const Z = "size_t";
const SIGNATURES = {
  cuInit: [U],
  cuDriverGetVersion: [P],
  cuGetErrorString: [I, P],
  cuDeviceGetCount: [P],
  cuDeviceGet: [P, I],
  cuDeviceGetName: [P, I, I],
  cuDeviceGetUuid_v2: [P, I],
  cuDeviceGetAttribute: [P, I, I],
  cuDeviceTotalMem_v2: [P, I],
  cuDevicePrimaryCtxRetain: [P, I],
  cuDevicePrimaryCtxRelease_v2: [I],
  cuCtxSetCurrent: [P],
  cuModuleLoadData: [P, P],
  cuModuleUnload: [P],
  cuModuleGetFunction: [P, P, "str"],
  cuFuncSetAttribute: [P, I, I],
  cuMemGetInfo_v2: [P, P],
  cuMemAlloc_v2: [P, Z],
  cuMemFree_v2: [D],
  cuMemHostAlloc: [P, Z, U],
  cuMemFreeHost: [P],
  cuMemcpyHtoDAsync_v2: [D, P, Z, P],
  cuMemcpyDtoHAsync_v2: [P, D, Z, P],
  cuMemcpyDtoDAsync_v2: [D, D, Z, P],
  cuStreamCreate: [P, U],
  cuStreamSynchronize: [P],
  cuStreamBeginCapture_v2: [P, I],
  cuStreamEndCapture: [P, P],
  cuGraphInstantiateWithFlags: [P, P, D],
  cuGraphLaunch: [P, P],
  cuGraphExecDestroy: [P],
  cuGraphDestroy: [P],
  cuEventCreate: [P, U],
  cuEventRecord: [P, P],
  cuEventQuery: [P],
  cuEventElapsedTime: [P, P, P],
  cuEventDestroy_v2: [P],
  cuLaunchKernel: [P, U, U, U, U, U, U, U, P, P, P],
} as const;

type Name = keyof typeof SIGNATURES;

const NO_DEVICE = 100;
const NOT_READY = 600;
const OUT_OF_MEMORY = 2;
/** After these a process's work on the device is over: illegal addresses and instructions, time-outs, lost hardware. */
const FATAL = new Set([214, 220, 700, 702, 709, 714, 715, 716, 717, 718, 719, 999]);

/** What the driver answers where something failed. */
export class CudaError extends Error {
  override readonly name = "CudaError";
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
  get isLackOfMemory(): boolean {
    return this.status === OUT_OF_MEMORY;
  }
  get isFatal(): boolean {
    return FATAL.has(this.status);
  }
}

/** What stands in the way: there is no driver, it does not start, has no device, or one of them is too old. */
export type Obstacle = "no driver" | "no start" | "no device" | "old driver" | "old device";

/** There is no driver, or it has no device that can be used. */
export class NoDriverError extends Error {
  constructor(
    message: string,
    readonly obstacle: Obstacle,
    /** What the driver answered, where it did not start. */
    readonly status = 0,
  ) {
    super(message);
  }
}

export interface Driver {
  /** As the driver counts: 13010 is 13.1. */
  readonly version: number;
  /** @throws CudaError */
  call(name: Name, ...args: unknown[]): void;
  /** A call whose first argument is where it puts its result. */
  get(name: Name, ...args: unknown[]): bigint;
  getInt(name: Name, ...args: unknown[]): number;
  /** Whether an event has been reached. */
  isReached(event: bigint): boolean;
  /** Ends recording, and gives the graph. */
  endCapture(stream: bigint): bigint;
}

function load(): LibraryHandle {
  let why = "";
  for (const path of driverCandidates()) {
    try {
      return koffi.load(path);
    } catch (error) {
      why = (error as Error).message.split("\n")[0];
    }
  }
  throw new NoDriverError(`the driver of NVIDIA's GPUs is not installed (${why})`, "no driver");
}

let driver: Driver | undefined;

/** Loads the driver. @throws NoDriverError */
export function openDriver(): Driver {
  if (driver) return driver;
  const library = load();
  const functions = Object.fromEntries(
    Object.entries(SIGNATURES).map(([name, parameters]) => [
      name,
      library.func(name, "int", [...parameters]),
    ]),
  ) as unknown as Record<Name, (...args: unknown[]) => number>;
  const pointer = new BigUint64Array(1);
  const word = new Int32Array(1);
  const check = (status: number, name: Name): void => {
    if (status === 0) return;
    functions.cuGetErrorString(status, pointer);
    const text = pointer[0] ? koffi.decode(pointer[0], "char", -1) : "unknown error";
    throw new CudaError(`CUDA: ${name}: ${text} (${status})`, status);
  };
  const call = (name: Name, ...args: unknown[]): void => check(functions[name](...args), name);
  const getInt = (name: Name, ...args: unknown[]): number => {
    call(name, word, ...args);
    return word[0];
  };
  const status = functions.cuInit(0);
  if (status !== 0)
    throw new NoDriverError(
      `the driver of NVIDIA's GPUs does not start (error ${status})`,
      // It starts only where there is a device.
      status === NO_DEVICE ? "no device" : "no start",
      status,
    );
  driver = {
    version: getInt("cuDriverGetVersion"),
    call,
    get(name, ...args) {
      call(name, pointer, ...args);
      return pointer[0];
    },
    getInt,
    isReached(event) {
      const status = functions.cuEventQuery(event);
      if (status !== NOT_READY) check(status, "cuEventQuery");
      return status === 0;
    },
    endCapture(stream) {
      check(functions.cuStreamEndCapture(stream, pointer), "cuStreamEndCapture");
      return pointer[0];
    },
  };
  return driver;
}

/** What a device is called. */
export function deviceName(driver: Driver, ordinal: number): string {
  const text = Buffer.alloc(256);
  driver.call("cuDeviceGetName", text, text.length, ordinal);
  return text.toString("utf8").replace(/\0.*$/s, "");
}

/** Which piece of hardware it is. */
export function deviceUuid(driver: Driver, ordinal: number): string {
  const bytes = Buffer.alloc(16);
  driver.call("cuDeviceGetUuid_v2", bytes, ordinal);
  return bytes.toString("hex");
}
