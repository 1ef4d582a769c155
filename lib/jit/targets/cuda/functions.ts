/** Functions of a device, and how they are launched: arguments are read from cells of the host's memory. */
import koffi from "koffi";
import type { CudaDevice } from "./device.ts";
import { ENTRY } from "./language.ts";

const CELL = 8;
/** Bytes of memory that a block has without being asked for, and the driver's number for asking. */
const GIVEN_MEMORY = 48 << 10;
const MOST_DYNAMIC_MEMORY = 8;

/** The function of a text, compiled once on a device. */
async function functionOf(
  device: CudaDevice,
  text: string,
  label: string,
  cache: boolean | string,
): Promise<bigint> {
  const { driver, kernels } = device;
  const compiled =
    kernels.get(text) ??
    device.cubin(text, cache).then((code) => {
      device.enter();
      return driver.get("cuModuleGetFunction", driver.get("cuModuleLoadData", code), ENTRY);
    });
  kernels.set(text, compiled);
  try {
    return await compiled;
  } catch (error) {
    kernels.delete(text);
    throw new Error(`jit: the kernel ${label} could not be compiled: ${(error as Error).message}\n${text}`, {
      cause: error,
    });
  }
}

/** Memory that the driver reads; small arrays of JavaScript may be moved. */
const steady = (count: number): BigUint64Array =>
  new BigUint64Array(new ArrayBuffer(Math.max(count, 1) * CELL));

export interface LaunchShape {
  /** Blocks along x, y and z. */
  groups: readonly [number, number, number];
  /** Threads of a block. */
  workgroup: number;
  /** Bytes of its memory beside what the text declares. */
  sharedBytes?: number;
}

/** A function that is ready to be launched; pointers and whole numbers are its arguments, one a cell. */
export interface ReadyFunction {
  readonly cells: BigUint64Array;
  launch(): void;
}

export async function readyFunction(
  device: CudaDevice,
  { text, label, count }: { text: string; label: string; count: number },
  { groups: [x, y, z], workgroup, sharedBytes = 0 }: LaunchShape,
  cache: boolean | string,
): Promise<ReadyFunction> {
  const { driver, stream } = device;
  const cells = steady(count);
  const start = koffi.address(cells);
  // Where the cells lie, as the driver takes them.
  const pointers = steady(count);
  for (const i of cells.keys()) pointers[i] = start + BigInt(i * CELL);
  const run = await functionOf(device, text, label, cache);
  if (sharedBytes > GIVEN_MEMORY) driver.call("cuFuncSetAttribute", run, MOST_DYNAMIC_MEMORY, sharedBytes);
  return {
    cells,
    launch() {
      if (x * y * z === 0) return;
      driver.call("cuLaunchKernel", run, x, y, z, workgroup, 1, 1, sharedBytes, stream, pointers, null);
    },
  };
}
