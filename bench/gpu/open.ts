/** The GPU that is measured, by the target that it is used by. */
import type { Device } from "../../lib/jit/targets/planned/device.ts";

export type GpuTarget = "webgpu" | "cuda";

/** A device, and the bytes of its memory that are in use where it counts them. */
export async function openGpu(target: GpuTarget): Promise<Device & { readonly used?: number }> {
  if (target === "webgpu") return (await import("../../lib/jit/targets/webgpu/device.ts")).openDevice();
  const device = await (await import("../../lib/jit/targets/cuda/device.ts")).openDevice();
  return Object.defineProperty(device, "used", { get: () => device.pool.used, configurable: true });
}
