/** Arrays on a GPU: how numbers lie in them, who uses them, and how they are read. */
import type { DeviceArray } from "../../buffers.ts";
import { type GraphData, type GraphType, graphData } from "../../element-types.ts";
import { type Device, lossError, throwFault } from "./device.ts";
import { type GPUBuffer, MAP_READ, USAGE } from "./gpu.ts";

/** Bytes that an array of so many numbers takes: each has four. */
export const bytesFor = (count: number): number => Math.max(4, count * 4);

/** Numbers as they lie on the device: of 32 bits each. */
export function packed(data: GraphData): Float32Array | Int32Array | Uint32Array {
  if (data instanceof Float32Array || data instanceof Int32Array) return data;
  if (data instanceof Uint8Array) return Uint32Array.from(data);
  if (data instanceof Float64Array) return Float32Array.from(data);
  return Int32Array.from(data, Number);
}

/** Reads parts of buffers, once the work before is done. */
export async function readBuffers(
  device: Device,
  parts: readonly { buffer: GPUBuffer; offset: number; bytes: number }[],
): Promise<ArrayBuffer> {
  const { gpu } = device;
  if (device.loss !== undefined) throw lossError("the tensor", device);
  const total = parts.reduce((sum, { bytes }) => sum + bytes, 0);
  const staging = gpu.createBuffer({ size: total, usage: USAGE.mapRead | USAGE.copyTarget });
  const encoder = gpu.createCommandEncoder();
  let at = 0;
  for (const { buffer, offset, bytes } of parts) {
    encoder.copyBufferToBuffer(buffer, offset, staging, at, bytes);
    at += bytes;
  }
  gpu.queue.submit([encoder.finish()]);
  try {
    await staging.mapAsync(MAP_READ);
  } catch (error) {
    // The loss is told behind what failed by it.
    await Promise.race([gpu.lost, new Promise((resolve) => setTimeout(resolve, 100))]);
    throw device.loss === undefined ? error : lossError("the tensor", device);
  }
  const copy = staging.getMappedRange().slice(0);
  staging.destroy();
  return copy;
}

/** How many use a buffer: tensors, and calls under way. */
const users = new WeakMap<GPUBuffer, number>();

/** An array of a device, which a tensor may hold. */
export function deviceArray(device: Device, buffer: GPUBuffer, count: number, dtype: GraphType): DeviceArray {
  const made = ++device.made;
  return {
    handle: buffer,
    device,
    get users() {
      return users.get(buffer) ?? 0;
    },
    async read() {
      const bytes = await readBuffers(device, [{ buffer, offset: 0, bytes: bytesFor(count) }]);
      throwFault(device, made);
      if (dtype === "float32") return new Float32Array(bytes, 0, count);
      const integers = new Int32Array(bytes, 0, count);
      return dtype === "bool" ? graphData(integers, "bool") : integers;
    },
    retain: () => void users.set(buffer, (users.get(buffer) ?? 0) + 1),
    release() {
      const left = (users.get(buffer) ?? 1) - 1;
      users.set(buffer, left);
      if (left === 0) buffer.destroy();
    },
  };
}
