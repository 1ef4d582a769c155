/** Opens a GPU for CUDA, and says what is in the way where it cannot be, with the step that helps. */
import { type CudaDevice, openDevice } from "../../jit/targets/cuda/device.ts";
import { CudaError, NoDriverError, openDriver } from "../../jit/targets/cuda/driver.ts";
import { majorsFor, SETUP, versionText } from "../../jit/targets/cuda/libraries.ts";
import { brokenPart, readManifest } from "../../jit/targets/cuda/manifest.ts";
import { NoCompilerError, openCompiler } from "../../jit/targets/cuda/nvrtc.ts";
import { installCommand } from "../../package.ts";
import { cudaSight, type Hint, missingDevice, missingDriver } from "./sight.ts";

/** A device that cannot be used: what is in the way, and the step that helps. */
export class Unusable extends Error {
  readonly fix: string;
  constructor({ problem, fix }: Hint, cause?: unknown) {
    super(problem, { cause });
    this.fix = fix;
  }
}

/** What the driver answers where it does not start, or its device does not open. */
const STATUS: Readonly<Record<number, Hint>> = {
  2: { problem: "the GPU's memory is taken by other processes", fix: "nvidia-smi says by which" },
  46: {
    problem: "the GPU is busy: another process has it for itself, or its mode forbids computing",
    fix: "nvidia-smi says which",
  },
  802: {
    problem: "the GPUs' switches are not ready",
    fix: "sudo systemctl start nvidia-fabricmanager",
  },
  803: { problem: "the driver's library and its kernel module are of two versions", fix: "reboot" },
};

const NEWER_DRIVER = "sudo apt install nvidia-driver (525 or newer)";

/** What stands in the way by an error; nothing where it tells of something else. */
export function hintOf(error: unknown, sight = cudaSight()): Hint | undefined {
  const { cause, message } = error as Error;
  if (cause instanceof NoDriverError) return hintOf(cause, sight);
  if (error instanceof NoDriverError)
    switch (error.obstacle) {
      case "no driver":
        return missingDriver(sight) ?? { problem: message, fix: "sudo apt install nvidia-driver" };
      case "no device":
        return missingDevice(sight);
      case "no start":
        return (
          STATUS[error.status] ?? {
            problem: message,
            fix: sight.node === "usable" ? "nvidia-smi says why" : missingDevice(sight).fix,
          }
        );
      case "old driver":
        return { problem: message, fix: NEWER_DRIVER };
      case "old device":
        return {
          problem: message,
          fix: `take 'webgpu': ${installCommand(["webgpu", "@tensorflow/tfjs-backend-webgpu"])}`,
        };
    }
  if (error instanceof NoCompilerError)
    return { problem: recordProblem(openDriver().version) ?? NO_COMPILER, fix: SETUP };
  if (error instanceof CudaError)
    return STATUS[error.status] ?? { problem: message, fix: "nvidia-smi says why" };
  return undefined;
}

const NO_COMPILER =
  "it needs NVIDIA's compiler (libnvrtc), which is neither with the loader nor in a toolkit or Python";

/** What is wrong with what was set up, if something was, for a driver of a version. */
function recordProblem(driver: number): string | undefined {
  try {
    const manifest = readManifest();
    if (manifest && !majorsFor(driver).includes(manifest.major))
      return `it was set up for CUDA ${manifest.major}, and the driver is for ${versionText(driver)}`;
    return manifest && brokenPart(manifest);
  } catch (error) {
    return (error as Error).message;
  }
}

/** The device, with its compiler loaded. @throws Unusable */
export async function openCuda(isCompilerNeeded = true): Promise<CudaDevice> {
  try {
    const device = await openDevice();
    if (isCompilerNeeded) openCompiler(device.driver.version);
    return device;
  } catch (error) {
    const hint = hintOf(error);
    throw hint ? new Unusable(hint, error) : error;
  }
}
