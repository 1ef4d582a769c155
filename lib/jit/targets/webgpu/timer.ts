/** How long kernels take, by the clock of the device. */

import { readBuffers } from "./arrays.ts";
import type { Device } from "./device.ts";
import {
  type GPUBuffer,
  type GPUCommandEncoder,
  type GPUComputePass,
  type GPUQuerySet,
  USAGE,
} from "./gpu.ts";
import type { Launch } from "./kernels.ts";

/** Kernels that one set of queries times: it has 4,096, and each kernel takes two. */
const KERNELS_A_SET = 2048;
const QUERY_RESOLVE = 0x0200;
const BYTES = 8;

export interface Timer {
  /** Adds each kernel in a pass of its own. */
  time(
    encoder: GPUCommandEncoder,
    launches: readonly Launch[],
    encode: (pass: GPUComputePass, launch: Launch) => void,
  ): void;
  /** The kernels since the last time, and the seconds that each took. */
  read(): Promise<{ launch: Launch; seconds: number }[]>;
}

/** @throws where the device has no clock that can be read */
export function newTimer(device: Device): Timer {
  const { gpu } = device;
  if (!device.features.has("timestamp-query"))
    throw new Error(`profile: the GPU (${device.description}) does not tell the time of its kernels`);
  let timed: { launches: readonly Launch[]; buffer: GPUBuffer; querySet: GPUQuerySet }[] = [];
  return {
    time(encoder, all, encode) {
      for (let start = 0; start < all.length; start += KERNELS_A_SET) {
        const launches = all.slice(start, start + KERNELS_A_SET);
        const count = 2 * launches.length;
        const querySet = gpu.createQuerySet({ type: "timestamp", count });
        const usage = QUERY_RESOLVE | USAGE.copySource;
        const buffer = gpu.createBuffer({ size: count * BYTES, usage });
        for (const [i, launch] of launches.entries()) {
          const [beginningOfPassWriteIndex, endOfPassWriteIndex] = [2 * i, 2 * i + 1];
          const timestampWrites = { querySet, beginningOfPassWriteIndex, endOfPassWriteIndex };
          const pass = encoder.beginComputePass({ timestampWrites });
          encode(pass, launch);
          pass.end();
        }
        encoder.resolveQuerySet(querySet, 0, count, buffer, 0);
        timed.push({ launches, buffer, querySet });
      }
    },
    async read() {
      const sets = timed;
      timed = [];
      const all: { launch: Launch; seconds: number }[] = [];
      for (const { launches, buffer, querySet } of sets) {
        const read = await readBuffers(device, [{ buffer, offset: 0, bytes: launches.length * 2 * BYTES }]);
        const nanoseconds = new BigUint64Array(read);
        launches.forEach((launch, i) => {
          all.push({ launch, seconds: Number(nanoseconds[2 * i + 1] - nanoseconds[2 * i]) / 1e9 });
        });
        querySet.destroy();
        buffer.destroy();
      }
      return all;
    },
  };
}
