/** A GPU of NVIDIA's through its driver: one context, one stream. */
import type { DeviceArray } from "../../buffers.ts";
import { type Device, lossError, type Piece } from "../planned/device.ts";
import { tuningOf } from "../planned/tuning.ts";
import { OWN_KERNELS } from "./attention.ts";
import { cubinsOf } from "./cubins.ts";
import { openProducts } from "./cublaslt.ts";
import { CudaError, type Driver, deviceName, deviceUuid, NoDriverError, openDriver } from "./driver.ts";
import { compileKernels } from "./kernels.ts";
import { CUDA } from "./language.ts";
import { MAJORS, majorsFor, versionText } from "./libraries.ts";
import {
  ALIGNMENT,
  type CudaBuffer,
  newPinnedPool,
  newPool,
  type Pinned,
  type PinnedPool,
  type Pool,
} from "./memory.ts";
import { openCompiler } from "./nvrtc.ts";
import { ordinalAmong } from "./ordinal.ts";
import { type ProductShelf, productShelf } from "./products.ts";
import { beginWork } from "./work.ts";

export interface CudaDevice extends Device {
  readonly name: string;
  /** As `sm_90`. */
  readonly architecture: string;
  /** Which piece of hardware it is: no two have the same. */
  readonly uuid: string;
  /** Bytes of its memory. */
  readonly memory: number;
  /** Whether a processor plays it, as in the tests. */
  readonly isSoftware: boolean;
  readonly driver: Driver;
  readonly stream: bigint;
  readonly pool: Pool;
  readonly pinned: PinnedPool;
  /** Compiled kernels by their text. */
  readonly kernels: Map<string, Promise<bigint>>;
  /** Products by cuBLASLt, where it is, and its version as it counts. */
  readonly shelf?: ProductShelf;
  readonly productsVersion?: number;
  allocate(bytes: number): CudaBuffer;
  /** Machine code of a text. */
  cubin(text: string, cache: boolean | string): Promise<Buffer>;
  /** Makes it the device of what follows: other libraries of the process may have devices of their own. */
  enter(): void;
  /** An event that the stream comes to behind the work that was given by now. */
  mark(): bigint;
  /** Keeps pinned memory until the work that was given by now is done. */
  keepUntilDone(staged: readonly Pinned[]): void;
  /** Gives back what was kept for work that is done. */
  tidy(): void;
  /** Ends when the stream has come to an event. */
  reached(event: bigint): Promise<void>;
  /** Frees a graph, once it does not run. */
  endGraph(graph: bigint): void;
}

/** Numbers of the driver for what it tells of a device. */
const ATTRIBUTE = { multiprocessors: 16, major: 75, minor: 76 } as const;
/** The oldest architecture that kernels are written for, and the oldest whose tensor cores they use. */
const OLDEST = 75;
const OLDEST_MATRICES = 80;
/** Threads that a multiprocessor has at work, about. */
const THREADS = 512;
/** Arrays of a kernel: arguments take a few kilobytes. */
const MAX_BUFFERS = 32;
/** Places in arrays are numbers of 32 bits, of four bytes each. */
const MAX_BYTES = 2 ** 34 - ALIGNMENT;
/** What a block has without being asked for more. */
const BLOCK_MEMORY = 48 << 10;
/** What a warp multiplies at once in tensor cores. */
export const MATRICES = (["bfloat16", "float16"] as const).map((format) => ({
  format,
  ...({ M: 16, N: 16, K: 16, threads: 32 } as const),
}));

/** What the device of the tests is called. */
const STAND_IN = "CPU in place of a GPU";

let opened: CudaDevice | undefined;
let lost = 0;
/** How many devices have been lost so far. */
export const devicesLost = (): number => lost;

/** How the error of a machine without a GPU says so. */
export const NO_CUDA = "no GPU was found that CUDA can use";

/** The device that compiled functions share; opened when it is first asked for. @throws saying what is missing */
export async function openDevice(): Promise<CudaDevice> {
  if (opened) return opened;
  try {
    opened = open(openDriver());
  } catch (error) {
    if (!(error instanceof NoDriverError)) throw error;
    throw new Error(`jit: ${NO_CUDA}: ${error.message}; 'npx ditlab devices' says what is missing`, {
      cause: error,
    });
  }
  return opened;
}

/** The device that an array lies on, if it is the one that is open. */
export const deviceOf = ({ device }: DeviceArray): CudaDevice | undefined =>
  device === opened ? opened : undefined;

/** A driver that throws what `tell` makes of errors behind which a device is of no use. */
const telling = (driver: Driver, tell: (error: CudaError) => Error): Driver => {
  const told =
    <A extends unknown[], R>(fn: (...args: A) => R) =>
    (...args: A): R => {
      try {
        return fn(...args);
      } catch (error) {
        throw error instanceof CudaError && error.isFatal ? tell(error) : error;
      }
    };
  return {
    version: driver.version,
    call: told(driver.call),
    get: told(driver.get),
    getInt: told(driver.getInt),
    isReached: told(driver.isReached),
    endCapture: told(driver.endCapture),
  };
};

/** A turn of the event loop, then longer and longer ones, up to a millisecond. */
export const pause = (asked: number): Promise<void> =>
  new Promise((resolve) => (asked < 16 ? setImmediate(resolve) : setTimeout(resolve, 1)));

function open(raw: Driver): CudaDevice {
  if (majorsFor(raw.version).length === 0)
    throw new NoDriverError(
      `NVIDIA's driver is for CUDA ${versionText(raw.version)}, expected ${MAJORS.at(-1)}.0 or newer`,
      "old driver",
    );
  const count = raw.getInt("cuDeviceGetCount");
  if (count === 0) throw new NoDriverError("NVIDIA's driver has no GPU", "no device");
  const ordinal = raw.getInt("cuDeviceGet", ordinalAmong(count));
  const name = deviceName(raw, ordinal);
  const [major, minor] = [ATTRIBUTE.major, ATTRIBUTE.minor].map((id) =>
    raw.getInt("cuDeviceGetAttribute", id, ordinal),
  );
  const capability = major * 10 + minor;
  if (capability < OLDEST)
    throw new NoDriverError(
      `the ${name} has compute capability ${major}.${minor}, and kernels are written for ${OLDEST / 10} and newer`,
      "old device",
    );
  const driver = telling(raw, (error) => {
    if (device.loss === undefined) {
      device.loss = error.message;
      lost++;
      if (opened === device) opened = undefined;
      try {
        // Ends what is left of it, so that it can be opened anew.
        raw.call("cuDevicePrimaryCtxRelease_v2", ordinal);
      } catch {
        // The next one to open it is told.
      }
    }
    return lossError("what it computes", device);
  });
  const context = driver.get("cuDevicePrimaryCtxRetain", ordinal);
  driver.call("cuCtxSetCurrent", context);
  const NON_BLOCKING = 1;
  const stream = driver.get("cuStreamCreate", NON_BLOCKING);
  const multiprocessors = driver.getInt("cuDeviceGetAttribute", ATTRIBUTE.multiprocessors, ordinal);
  const architecture = `sm_${capability}`;
  const memory = Number(driver.get("cuDeviceTotalMem_v2", ordinal));
  const identity = JSON.stringify(["cuda", name, architecture, driver.version]);
  const pool = newPool(driver);
  const pinned = newPinnedPool(driver);
  /** What is kept until an event is reached, the oldest first. */
  const kept: { event: bigint; staged: readonly Pinned[] }[] = [];
  const TIMELESS = 2;
  const mark = (): bigint => {
    const made = driver.get("cuEventCreate", TIMELESS);
    driver.call("cuEventRecord", made, stream);
    return made;
  };
  const enter = (): void => {
    if (device.loss !== undefined) throw lossError("what it computes", device);
    driver.call("cuCtxSetCurrent", context);
  };
  const reached = async (event: bigint): Promise<void> => {
    for (let asked = 0; ; asked++) {
      enter();
      if (driver.isReached(event)) return;
      await pause(asked);
    }
  };
  /** Asks for a copy of parts of buffers, one behind the other. */
  const stage = (parts: readonly Piece[]): { staging: Pinned; total: number } => {
    enter();
    const total = parts.reduce((sum, { bytes }) => sum + bytes, 0);
    const staging = pinned.take(total);
    let at = 0;
    for (const { buffer, offset, bytes } of parts) {
      const from = (buffer as CudaBuffer).pointer + BigInt(offset);
      driver.call("cuMemcpyDtoHAsync_v2", staging.pointer + BigInt(at), from, bytes, stream);
      at += bytes;
    }
    return { staging, total };
  };
  /** What such a copy has brought, once it is done. */
  const arrived = ({ staging, total }: { staging: Pinned; total: number }): ArrayBuffer => {
    const copy = staging.bytes.slice(0, total);
    pinned.giveBack(staging);
    return copy.buffer;
  };
  const products = openProducts(raw.version);
  const device: CudaDevice = {
    name,
    architecture,
    uuid: deviceUuid(raw, ordinal),
    memory,
    isSoftware: name === STAND_IN,
    driver,
    stream,
    pool,
    pinned,
    kernels: new Map(),
    language: CUDA,
    maxBuffers: MAX_BUFFERS,
    alignment: ALIGNMENT,
    maxBinding: MAX_BYTES,
    products: {
      threads: multiprocessors * THREADS,
      workgroupMemory: BLOCK_MEMORY,
      isSimple: false,
      own: OWN_KERNELS,
      ...(products && { library: "float32" as const }),
    },
    tuning: tuningOf(identity),
    matrices: capability < OLDEST_MATRICES ? [] : MATRICES,
    hasHalf: true,
    hasClock: true,
    description: `${name}, ${architecture}, CUDA ${versionText(raw.version)}`,
    identity,
    made: 0,
    allocate: (bytes) => {
      enter();
      return pool.allocate(bytes);
    },
    cubin: cubinsOf(() => openCompiler(raw.version), raw.version, capability),
    compile: (kernels, cache) => compileKernels(device, kernels, cache),
    begin: () => beginWork(device),
    enter,
    mark,
    keepUntilDone(staged) {
      if (staged.length > 0) kept.push({ event: mark(), staged });
    },
    tidy() {
      while (kept.length > 0 && driver.isReached(kept[0].event)) {
        const { event, staged } = kept.shift()!;
        driver.call("cuEventDestroy_v2", event);
        for (const one of staged) pinned.giveBack(one);
      }
    },
    reached,
    endGraph(graph) {
      // What is lost has no graphs any more.
      if (device.loss !== undefined) return;
      enter();
      driver.call("cuStreamSynchronize", stream);
      driver.call("cuGraphExecDestroy", graph);
    },
    async read(parts) {
      const staged = stage(parts);
      await device.done();
      return arrived(staged);
    },
    readNow(parts) {
      const staged = stage(parts);
      driver.call("cuStreamSynchronize", stream);
      return arrived(staged);
    },
    async done() {
      enter();
      const end = mark();
      await reached(end);
      driver.call("cuEventDestroy_v2", end);
    },
    // Errors of CUDA are thrown where they happen, or where somebody waits next.
    attempt: async (_, body) => ({ value: body() }),
    throwFault() {},
  };
  if (!products) return device;
  return Object.assign(device, { shelf: productShelf(device, products), productsVersion: products.version });
}
