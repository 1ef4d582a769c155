/** The target that a test's process is for, and its device. */

import { writeSync } from "node:fs";
import type { Device } from "../../../lib/jit/targets/planned/device.ts";
import { report } from "../cuda/standin/build.ts";

export const GPU_TARGET = (process.env.DITLAB_TEST_TARGET ?? "webgpu") as "webgpu" | "cuda";

export const openDevice = async (): Promise<Device> =>
  GPU_TARGET === "cuda"
    ? (await import("../../../lib/jit/targets/cuda/device.ts")).openDevice()
    : (await import("../../../lib/jit/targets/webgpu/device.ts")).openDevice();

/** Makes cuBLASLt refuse all that is more than a product: kernels of our own stand behind it then. */
export async function refuseEpilogues(): Promise<void> {
  const { openDevice } = await import("../../../lib/jit/targets/cuda/device.ts");
  const { NoAlgorithmError } = await import("../../../lib/jit/targets/cuda/cublaslt.ts");
  const { shelf } = await openDevice();
  const { get } = shelf!;
  Object.assign(shelf!, {
    get: async (...[kind, cache]: Parameters<typeof get>) => {
      if (kind.epilogue) throw new NoAlgorithmError(`refused: ${kind.epilogue}`);
      return get(kind, cache);
    },
  });
}

/** Bytes of a workgroup's memory on a device. */
export async function workgroupMemory(): Promise<number> {
  if (GPU_TARGET === "cuda") return 48 << 10;
  const { openDevice } = await import("../../../lib/jit/targets/webgpu/device.ts");
  return (await openDevice()).gpu.limits.maxComputeWorkgroupStorageSize;
}

// The last line of a process on stand-ins is what they saw.
const { DITLAB_CUDA_PATH: folder } = process.env;
if (GPU_TARGET === "cuda" && folder)
  process.on("exit", () => writeSync(1, `${JSON.stringify({ seen: report({ folder }) })}\n`));
