/** Arrays on a GPU: how numbers lie in them, and who uses them. */
import type { DeviceArray } from "../../buffers.ts";
import { type GraphData, type GraphType, graphData } from "../../element-types.ts";
import { sizeOf, type Value } from "../../graph.ts";
import { type Device, type DeviceBuffer, lossError } from "./device.ts";

/** Bytes that an array of so many numbers takes: each has four. */
export const bytesFor = (count: number): number => Math.max(4, count * 4);

/** Numbers as they lie on the device: of 32 bits each. */
export function packed(data: GraphData): Float32Array | Int32Array | Uint32Array {
  if (data instanceof Float32Array || data instanceof Int32Array) return data;
  if (data instanceof Uint8Array) return Uint32Array.from(data);
  if (data instanceof Float64Array) return Float32Array.from(data);
  return Int32Array.from(data, Number);
}

/** How many use a buffer: tensors, and calls under way. */
const users = new WeakMap<DeviceBuffer, number>();

/** An array of a device, which a tensor may hold. */
export function deviceArray(
  device: Device,
  buffer: DeviceBuffer,
  count: number,
  dtype: GraphType,
): DeviceArray {
  const made = ++device.made;
  const whole = [{ buffer, offset: 0, bytes: bytesFor(count) }];
  const checkThere = (): void => {
    if (device.loss !== undefined) throw lossError("the tensor", device);
  };
  const numbers = (bytes: ArrayBuffer): GraphData => {
    device.throwFault(made);
    if (dtype === "float32") return new Float32Array(bytes, 0, count);
    const integers = new Int32Array(bytes, 0, count);
    return dtype === "bool" ? graphData(integers, "bool") : integers;
  };
  const { readNow } = device;
  return {
    handle: buffer,
    device,
    get users() {
      return users.get(buffer) ?? 0;
    },
    async read() {
      checkThere();
      return numbers(await device.read(whole));
    },
    ...(readNow && {
      readNow() {
        checkThere();
        return numbers(readNow(whole));
      },
    }),
    retain: () => void users.set(buffer, (users.get(buffer) ?? 0) + 1),
    release() {
      const left = (users.get(buffer) ?? 1) - 1;
      users.set(buffer, left);
      if (left === 0) buffer.destroy();
    },
  };
}

export const newArray = (device: Device, { shape, dtype }: Value): DeviceArray => {
  const count = sizeOf(shape);
  return deviceArray(device, device.allocate(bytesFor(count)), count, dtype);
};

export const bufferOf = ({ handle }: DeviceArray): DeviceBuffer => handle as DeviceBuffer;
