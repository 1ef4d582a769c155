/** Which backend eager tensors live on. */
import { currentBackend, tf } from "./tf.ts";

export const DEVICES = ["cpu", "wasm", "webgpu", "tensorflow"] as const;
export type Device = (typeof DEVICES)[number];

/** The package that provides each device, where it is not part of ditlab's own installation. */
const PACKAGES: Record<Device, string[]> = {
  cpu: [],
  wasm: ["@tensorflow/tfjs-backend-wasm"],
  webgpu: ["webgpu", "@tensorflow/tfjs-backend-webgpu"],
  tensorflow: ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"],
};

async function load(device: Device, name: string): Promise<unknown> {
  try {
    return await import(name);
  } catch (error) {
    throw new Error(
      `device '${device}' needs the package ${name}, which could not be loaded (${(error as Error).message.split("\n")[0]}); install it with: npm install ${name}`,
    );
  }
}

async function prepare(device: Device): Promise<void> {
  if (device === "wasm") await load(device, PACKAGES.wasm[0]);
  if (device === "webgpu") {
    const { create, globals } = (await load(device, "webgpu")) as {
      create(options: string[]): unknown;
      globals: object;
    };
    Object.assign(globalThis, globals);
    Object.defineProperty(globalThis, "navigator", { value: { gpu: create([]) }, configurable: true });
    await load(device, "@tensorflow/tfjs-backend-webgpu");
  }
  if (device === "tensorflow") {
    // tfjs-node 4.22 calls a helper that Node 23 removed.
    const util = (await import("node:util")).default as { isNullOrUndefined?: (value: unknown) => boolean };
    util.isNullOrUndefined ??= (value) => value == null;
    await load(device, PACKAGES.tensorflow[0]).catch((first: Error) =>
      load(device, PACKAGES.tensorflow[1]).catch(() => Promise.reject(first)),
    );
  }
}

/**
 * Puts eager tensors on a device: `cpu` (always there), `wasm`, `webgpu` (any GPU through the package `webgpu`) or
 * `tensorflow` (tfjs-node-gpu or tfjs-node). Compiled functions do not depend on it: `jit` runs on onnxruntime.
 * Throws when the device is unknown, its package is missing, or no such hardware is found.
 */
export async function useDevice(device: Device): Promise<void> {
  if (!DEVICES.includes(device)) {
    throw new Error(`unknown device '${device}'; expected one of ${DEVICES.join(", ")}`);
  }
  await prepare(device);
  // setBackend may return false and still name the backend as current, for example webgpu without an adapter.
  const before = currentBackend();
  if (!(await tf.setBackend(device))) {
    await tf.setBackend(before);
    throw new Error(`device '${device}' could not start: no suitable hardware or driver was found`);
  }
}

export const currentDevice = (): string => currentBackend();
