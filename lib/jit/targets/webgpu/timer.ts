/** How long kernels take, by the clock of the device. */

import type { KernelTime } from "../planned/device.ts";
import { readBuffers } from "./buffers.ts";
import type { WebGPUDevice } from "./device.ts";
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

/** Adds each kernel in a pass of its own, and gives what reads the seconds that each took. */
export function timedPasses(
  device: WebGPUDevice,
  encoder: GPUCommandEncoder,
  all: readonly Launch[],
  encode: (pass: GPUComputePass, launch: Launch) => void,
): () => Promise<KernelTime[]> {
  const { gpu } = device;
  const timed: { launches: readonly Launch[]; buffer: GPUBuffer; querySet: GPUQuerySet }[] = [];
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
  return async () => {
    const times: KernelTime[] = [];
    for (const { launches, buffer, querySet } of timed) {
      const read = await readBuffers(device, [{ buffer, offset: 0, bytes: launches.length * 2 * BYTES }]);
      const nanoseconds = new BigUint64Array(read);
      launches.forEach(({ kernel }, i) => {
        times.push({ kernel, seconds: Number(nanoseconds[2 * i + 1] - nanoseconds[2 * i]) / 1e9 });
      });
      querySet.destroy();
      buffer.destroy();
    }
    return times;
  };
}
