/** The devices there are. */
import type { TargetName } from "../jit/targets/index.ts";

/** Where a process runs: eager tensors and compiled functions. */
export const DEVICES = ["cpu", "wasm", "tensorflow", "webgpu"] as const;
export type Device = (typeof DEVICES)[number];

/** What compiled functions run on. */
export const TARGET_OF: Readonly<Record<Device, TargetName>> = {
  cpu: "cpu",
  wasm: "cpu",
  tensorflow: "cpu",
  webgpu: "webgpu",
};

/** What each device needs beside ditlab's own installation: one package of each list. */
export const PACKAGES: Readonly<Record<Device, readonly (readonly string[])[]>> = {
  cpu: [],
  wasm: [["@tensorflow/tfjs-backend-wasm"]],
  // What it needs is compiled: `tensorflow/setup.ts`.
  tensorflow: [],
  webgpu: [["webgpu"], ["@tensorflow/tfjs-backend-webgpu"]],
};

const isDevice = (name: string): name is Device => (DEVICES as readonly string[]).includes(name);

/** @throws naming the devices there are */
export function checkDevice(name: string, what = `unknown device '${name}'`): Device {
  if (isDevice(name)) return name;
  throw new Error(`${what}; expected one of ${DEVICES.join(", ")}, auto`);
}
