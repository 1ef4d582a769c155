/** The backends of eager tensors, and what starts them. */
import { pathToFileURL } from "node:url";
import { NO_GPU } from "../jit/targets/webgpu/device.ts";
import { installCommand } from "../package.ts";
import { currentBackend, tf } from "../tensor/tf.ts";
import { openCuda, Unusable } from "./cuda/open.ts";
import { cudaSight, missingDriver } from "./cuda/sight.ts";
import { eagerWebGPU } from "./eager-webgpu.ts";
import { gpuHint, sightOf } from "./gpu-hint.ts";
import { type Device, eagerOf, PACKAGES } from "./names.ts";
import { fileOf, isInstalled } from "./packages.ts";
import { registerTensorFlow } from "./tensorflow/load.ts";
import { COMMAND, missingSetup, readSetup } from "./tensorflow/record.ts";

/** The packages that a device lacks here, the first of those that would do. */
const missingPackages = (device: Device): string[] =>
  PACKAGES[device].flatMap((names) => (names.some(isInstalled) ? [] : [names[0]]));

/** What a device lacks, and the command that brings it. */
export function missingReason(device: Device): { problem: string; fix: string } | undefined {
  if (device === "tensorflow") return missingSetup();
  if (device === "cuda") return missingDriver(cudaSight());
  const missing = missingPackages(device);
  if (missing.length === 0) return undefined;
  // All of a device's packages, so that those that are there keep fitting.
  const all = PACKAGES[device].map((names) => names.find(isInstalled) ?? names[0]);
  const what =
    missing.length > 1
      ? `the packages ${missing.join(" and ")}, which are`
      : `the package ${missing[0]}, which is`;
  return { problem: `it needs ${what} not installed`, fix: installCommand(all) };
}

/** @throws naming what is missing, and the command that installs it */
function checkInstalled(device: Device): void {
  const reason = missingReason(device);
  if (reason) throw new Error(`device '${device}' cannot be used: ${reason.problem}: ${reason.fix}`);
}

async function load(device: Device, name: string): Promise<void> {
  try {
    // The file that was found: where packages lie is not the same for `import` everywhere.
    await import(pathToFileURL(fileOf(name)!).href);
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
  if (device === "webgpu")
    await eagerWebGPU().catch((error: Error) => {
      if (!error.message.includes(NO_GPU)) throw error;
      const { problem, fix } = gpuHint(sightOf());
      throw new Error(`device 'webgpu' cannot be used: ${problem}: ${fix}`, { cause: error });
    });
  if (device === "cuda")
    await openCuda().catch((error: Error) => {
      if (!(error instanceof Unusable)) throw error;
      const { message, fix } = error;
      throw new Error(`device 'cuda' cannot be used: ${message}: ${fix}`, { cause: error });
    });
  if (device === "tensorflow")
    try {
      registerTensorFlow(readSetup()!);
    } catch (error) {
      throw new Error(
        `device 'tensorflow' is set up but could not be loaded (${(error as Error).message.split("\n")[0]}); set it up anew with: ${COMMAND}`,
        { cause: error },
      );
    }
}

/** Puts eager tensors on a device. @throws naming it, what is missing, and the command that helps */
export async function useEager(device: Device): Promise<void> {
  // Before more are there: tfjs takes the one of the highest priority, which may have to be waited for.
  const before = currentBackend();
  await prepare(device);
  // setBackend may return false and still name the backend as current.
  if (await tf.setBackend(eagerOf(device))) return;
  await tf.setBackend(before);
  throw new Error(
    `device '${device}' could not start; expected a processor that ${PACKAGES[device].flat().join(" or ") || "its library"} runs on, and 'npx ditlab devices' says what is found`,
  );
}
