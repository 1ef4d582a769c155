/** The devices there are. */
import type { TargetName } from "../jit/targets/index.ts";

/** Where a process runs: eager tensors and compiled functions. */
export const DEVICES = ["cpu", "wasm", "tensorflow", "webgpu", "cuda"] as const;
export type Device = (typeof DEVICES)[number];

/** What compiled functions run on. */
export const TARGET_OF: Readonly<Record<Device, TargetName>> = {
  cpu: "cpu",
  wasm: "cpu",
  tensorflow: "cpu",
  webgpu: "webgpu",
  cuda: "cuda",
};

/** What eager tensors lie on: tfjs has nothing for CUDA in Node. */
export const eagerOf = (device: Device): Exclude<Device, "cuda"> => (device === "cuda" ? "cpu" : device);

/** What each device needs beside ditlab's own installation: one package of each list. */
export const PACKAGES: Readonly<Record<Device, readonly (readonly string[])[]>> = {
  cpu: [],
  wasm: [["@tensorflow/tfjs-backend-wasm"]],
  // What it needs is compiled: `tensorflow/setup.ts`.
  tensorflow: [],
  webgpu: [["webgpu"], ["@tensorflow/tfjs-backend-webgpu"]],
  // NVIDIA's libraries come by `cuda/setup.ts`.
  cuda: [],
};

const isDevice = (name: string): name is Device => (DEVICES as readonly string[]).includes(name);

/** @throws naming the devices there are */
export function checkDevice(name: string, what = `unknown device '${name}'`): Device {
  if (isDevice(name)) return name;
  throw new Error(`${what}; expected one of ${DEVICES.join(", ")}, auto`);
}
