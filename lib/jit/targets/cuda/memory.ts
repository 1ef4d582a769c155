/**
 * Memory of a CUDA device, and of the host where the device reads it. All work is in one stream: what is given back may be
 * taken again at once, as what reads it comes before what writes it.
 */
import koffi from "koffi";
import type { DeviceBuffer } from "../planned/device.ts";
import { CudaError, type Driver } from "./driver.ts";

export interface CudaBuffer extends DeviceBuffer {
  readonly pointer: bigint;
}

/** What buffers begin at a multiple of, as the driver's do. */
export const ALIGNMENT = 256;
/** Buffers up to this are parts of blocks of this size: a call of the driver costs more than they do. */
const SMALL = 1 << 20;

/** Sizes are rounded to an eighth of a power of two, so that few are different. */
export function sizeClass(bytes: number): number {
  if (bytes <= ALIGNMENT) return ALIGNMENT;
  const step = Math.max(ALIGNMENT, 2 ** (Math.ceil(Math.log2(bytes)) - 3));
  return Math.ceil(bytes / step) * step;
}

/** Buffers of a device: those that nobody has are kept for others of their size, until memory is short. */
export function newPool({ call, get }: Driver) {
  const free = new Map<number, bigint[]>();
  let block = { start: 0n, used: SMALL };
  /** Bytes that somebody has. */
  let used = 0;
  const lacking = (bytes: number, { status }: CudaError): CudaError => {
    const [free, total] = [new BigUint64Array(1), new BigUint64Array(1)];
    call("cuMemGetInfo_v2", free, total);
    const text = (count: number | bigint): string => `${(Number(count) / 1e6).toFixed(1)} MB`;
    return new CudaError(
      `jit: the GPU has no memory for an array of ${text(bytes)}: ${text(free[0])} of ${text(total[0])} are free, and this process's tensors have ${text(used)}; dispose some, or take smaller batches`,
      status,
    );
  };
  const giveBack = (): number => {
    let count = 0;
    for (const [size, pointers] of free) {
      // Small ones are parts of blocks.
      if (size >= SMALL)
        for (const pointer of pointers.splice(0)) {
          call("cuMemFree_v2", pointer);
          count++;
        }
    }
    return count;
  };
  const fromDriver = (bytes: number): bigint => {
    try {
      return get("cuMemAlloc_v2", bytes);
    } catch (error) {
      if (!(error instanceof CudaError && error.isLackOfMemory)) throw error;
      if (giveBack() === 0) throw lacking(bytes, error);
    }
    try {
      return get("cuMemAlloc_v2", bytes);
    } catch (error) {
      throw error instanceof CudaError && error.isLackOfMemory ? lacking(bytes, error) : error;
    }
  };
  const take = (size: number): bigint => {
    const kept = free.get(size)?.pop();
    if (kept !== undefined) return kept;
    if (size >= SMALL) return fromDriver(size);
    if (block.used + size > SMALL) block = { start: fromDriver(SMALL), used: 0 };
    const pointer = block.start + BigInt(block.used);
    block.used += size;
    return pointer;
  };
  return {
    get used(): number {
      return used;
    },
    allocate(bytes: number): CudaBuffer {
      const size = sizeClass(bytes);
      const pointer = take(size);
      used += size;
      let isGone = false;
      return {
        pointer,
        size: bytes,
        destroy() {
          if (isGone) return;
          isGone = true;
          used -= size;
          const pointers = free.get(size);
          if (pointers) pointers.push(pointer);
          else free.set(size, [pointer]);
        },
      };
    },
  };
}
export type Pool = ReturnType<typeof newPool>;

/** Memory of the host that the device reads and writes by itself. */
export interface Pinned {
  readonly pointer: bigint;
  readonly bytes: Uint8Array;
}

/** Pinned memory, taken for a copy and given back when the copy is done: making it is slow. */
export function newPinnedPool({ get }: Driver) {
  const free = new Map<number, Pinned[]>();
  return {
    take(bytes: number): Pinned {
      const size = sizeClass(bytes);
      const kept = free.get(size)?.pop();
      if (kept) return kept;
      const pointer = get("cuMemHostAlloc", size, 0);
      return { pointer, bytes: new Uint8Array(koffi.view(pointer, size)) };
    },
    giveBack(pinned: Pinned): void {
      const size = pinned.bytes.length;
      const all = free.get(size);
      if (all) all.push(pinned);
      else free.set(size, [pinned]);
    },
  };
}
export type PinnedPool = ReturnType<typeof newPinnedPool>;
