/**
 * Sums in the memory of the ranks' GPUs, by NVIDIA's NCCL, where all of them compute by CUDA and have it. Before that MPI has
 * brought the ranks together, and it stays what they say all else by.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { digestOf } from "../fingerprint.ts";
import { type DeviceArray, ownArray } from "../jit/buffers.ts";
import { type CudaDevice, deviceOf, pause } from "../jit/targets/cuda/device.ts";
import { NCCL } from "../jit/targets/cuda/libraries.ts";
import type { CudaBuffer } from "../jit/targets/cuda/memory.ts";
import type { Tensor } from "../tensor/tf.ts";
import { type Communicator, named } from "./communicator.ts";
import { apart } from "./mpi.ts";
import { NcclError, type NcclLibrary, openNccl } from "./nccl-library.ts";

/** The most sums that NCCL takes in one group. */
const GROUP = 2048;
/** Milliseconds: an abort that has not come to its end by then is left alone, as the process is to end. */
const ABORT = 5000;
/** Milliseconds that a rank whose peer has failed waits for being ended by that one, which knows why. */
const PEER = 15_000;

/** What the ranks' GPUs do together. */
interface GpuRanks {
  sum(arrays: readonly CudaBuffer[]): Promise<void>;
  close(): Promise<void>;
}

/** Ranks that also sum on their GPUs: how is found out when that is first asked for. */
export function withNccl(ranks: Communicator): Communicator {
  let joined: { device: CudaDevice | undefined; gpus: GpuRanks | undefined } | undefined;
  return {
    ...ranks,
    async sumOnDevices(tensors, onNote) {
      const arrays = arraysOf(tensors);
      const [first] = arrays.values();
      const device = first && deviceOf(first);
      if (joined && !device) return new Set();
      // With the device the memory is another.
      if (!joined || joined.device !== device)
        joined = { device, gpus: await joinGpus(ranks, device, onNote) };
      if (!joined.gpus) return new Set();
      await joined.gpus.sum([...arrays.values()].map(({ handle }) => handle as CudaBuffer));
      return new Set(arrays.keys());
    },
    async close() {
      await joined?.gpus?.close();
      await ranks.close();
    },
  };
}

/** The arrays of those that lie on a device and that nobody else sees. */
function arraysOf(tensors: readonly Tensor[]): Map<Tensor, DeviceArray> {
  const arrays = new Map<Tensor, DeviceArray>();
  for (const tensor of tensors) {
    const array = tensor.dtype === "float32" ? ownArray(tensor) : undefined;
    if (array) arrays.set(tensor, array);
  }
  return arrays;
}

/** Joins the GPUs of all ranks, if all have one of their own and NCCL; says why not, if some have one. */
async function joinGpus(
  ranks: Communicator,
  device: CudaDevice | undefined,
  onNote?: (note: string) => void,
): Promise<GpuRanks | undefined> {
  const library = device && openNccl();
  const hasNccl = typeof library === "object";
  const gpu = device ? digestOf([device.uuid]).readUIntBE(0, 6) : 0;
  const gpus = await told(ranks, gpu);
  const able = await told(ranks, Number(hasNccl));
  const obstacle = obstacleIn(gpus, able, typeof library === "string" ? library : NCCL);
  if (obstacle !== undefined && gpus.some((one) => one !== 0))
    onNote?.(`gradients travel through the processors' memory, not from GPU to GPU: ${obstacle}`);
  if (obstacle !== undefined || !device || !hasNccl) return undefined;
  try {
    return await newGpuRanks(ranks, device, library);
  } catch (error) {
    if (!(error instanceof NcclError)) throw error;
    throw new Error(`${error.message}; DITLAB_NCCL can name another library, or be 'none'`, { cause: error });
  }
}

/** A number of each rank, by rank. */
async function told(ranks: Communicator, own: number): Promise<number[]> {
  const all = new Float64Array(ranks.size);
  all[ranks.rank] = own;
  await ranks.sum(all);
  return [...all];
}

/** Why GPUs (0 for none) cannot sum by themselves. */
function obstacleIn(gpus: readonly number[], able: readonly number[], looked: string): string | undefined {
  const has = (ranks: readonly number[]): string => `${named(ranks)} ${ranks.length > 1 ? "have" : "has"}`;
  const where = (is: (rank: number) => boolean): number[] => [...gpus.keys()].filter(is);
  const without = where((rank) => gpus[rank] === 0);
  if (without.length > 0) return `${has(without)} no device of CUDA`;
  const shared = where((rank) => gpus.filter((gpu) => gpu === gpus[rank]).length > 1);
  if (shared.length > 0) return `${named(shared)} share GPUs, which NCCL does not take`;
  const lacking = where((rank) => able[rank] === 0);
  if (lacking.length > 0)
    return `${has(lacking)} no NCCL (looked for ${looked}); install it, or name its file as DITLAB_NCCL`;
  return undefined;
}

async function newGpuRanks(ranks: Communicator, device: CudaDevice, nccl: NcclLibrary): Promise<GpuRanks> {
  const { rank, size } = ranks;
  const id = Float64Array.from(rank === 0 ? nccl.newId() : new Uint8Array(128));
  await ranks.broadcast(id);
  device.enter();
  const communicator = nccl.initialize(size, Uint8Array.from(id), rank);
  let isOver = false;
  const checkThere = (): void => {
    if (isOver) throw new Error(`${nccl.name}: the ranks' GPUs were given up before`);
  };
  /** Waits until something is so, with a look at what has failed. */
  const until = async (isSo: () => boolean): Promise<void> => {
    for (let asked = 0; ; asked++) {
      checkThere();
      device.enter();
      if (nccl.isReady(communicator) && isSo()) return;
      await pause(asked);
    }
  };
  /** Does something with all ranks, and gives the communicator up where that fails. */
  const together = async (work: () => Promise<void>): Promise<void> => {
    checkThere();
    try {
      await ranks.together(work());
    } catch (error) {
      isOver = true;
      await Promise.race([apart(nccl.abort, communicator), sleep(ABORT, undefined, { ref: false })]);
      if (error instanceof NcclError && error.isRemote) await sleep(PEER);
      throw error;
    }
  };
  const ready = (): Promise<void> => until(() => true);
  await together(ready);
  return {
    sum: (buffers) =>
      together(async () => {
        const arrays = buffers.map(({ pointer, size }) => ({ pointer, count: size / 4 }));
        for (let from = 0; from < arrays.length; from += GROUP) {
          device.enter();
          nccl.sum(communicator, arrays.slice(from, from + GROUP), device.stream);
          // Only now it is in the stream, behind what has computed the numbers and before what comes.
          await ready();
        }
        // Not for the order, which is the stream's: a rank that does not come would be noticed nowhere else.
        const end = device.mark();
        await until(() => device.driver.isReached(end));
        device.driver.call("cuEventDestroy_v2", end);
      }),
    async close() {
      if (isOver) return;
      await together(async () => {
        nccl.finalize(communicator);
        await ready();
        nccl.destroy(communicator);
      });
      isOver = true;
    },
  };
}
