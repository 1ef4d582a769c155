/** The backends of eager tensors, and what starts them. */
import { currentBackend, tf } from "../tensor/tf.ts";
import { eagerWebGPU } from "./eager-webgpu.ts";
import { type Device, PACKAGES } from "./names.ts";
import { installCommand, isInstalled } from "./packages.ts";

/** The packages that a device lacks here, the first of those that would do. */
export const missingPackages = (device: Device): string[] =>
  PACKAGES[device].flatMap((names) => (names.some(isInstalled) ? [] : [names[0]]));

/** @throws naming what is missing, and the command that installs it */
export function checkInstalled(device: Device): void {
  const missing = missingPackages(device);
  if (missing.length === 0) return;
  const what = missing.length > 1 ? `the packages ${missing.join(" and ")}` : `the package ${missing[0]}`;
  // All of a device's packages, so that those that are there keep fitting.
  const all = PACKAGES[device].map((names) => names.find(isInstalled) ?? names[0]);
  throw new Error(
    `device '${device}' needs ${what}, which ${missing.length > 1 ? "are" : "is"} not installed; install ${
      all.length > 1 ? "them" : "it"
    } with: ${installCommand(all)}`,
  );
}

async function load(device: Device, name: string): Promise<void> {
  try {
    await import(name);
  } catch (error) {
    throw new Error(
      `device '${device}' needs the package ${name}, which is installed but could not be loaded (${(error as Error).message.split("\n")[0]}); install it anew with: ${installCommand([name])}`,
      { cause: error },
    );
  }
}

async function prepare(device: Device): Promise<void> {
  checkInstalled(device);
  if (device === "wasm") await load(device, PACKAGES.wasm[0][0]);
  if (device === "webgpu") await eagerWebGPU();
  if (device === "tensorflow") {
    // tfjs-node 4.22 calls a helper that Node 23 removed.
    const util = (await import("node:util")).default as { isNullOrUndefined?: (value: unknown) => boolean };
    util.isNullOrUndefined ??= (value) => value == null;
    // The one for GPUs where both are there.
    await load(device, [...PACKAGES.tensorflow[0]].reverse().find(isInstalled)!);
  }
}

/** Puts eager tensors on a device. @throws naming it, what is missing, and the command that helps */
export async function useEager(device: Device): Promise<void> {
  await prepare(device);
  // setBackend may return false and still name the backend as current.
  const before = currentBackend();
  if (await tf.setBackend(device)) return;
  await tf.setBackend(before);
  throw new Error(
    `device '${device}' could not start; expected a processor that ${PACKAGES[device].flat().join(" or ")} runs on, and 'npx ditlab devices' says what is found`,
  );
}
