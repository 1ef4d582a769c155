/** Where the process runs: one name for eager tensors and compiled functions. */
import { useTarget } from "../jit/targets/index.ts";
import { automatic } from "./automatic.ts";
import { useEager } from "./eager.ts";
import { checkDevice, type Device, TARGET_OF } from "./names.ts";

let current: Device = "cpu";

/** The device that `useDevice` has put the process on; `cpu` before. */
export const currentDevice = (): Device => current;

async function take(device: Device): Promise<Device> {
  await useEager(device);
  useTarget(TARGET_OF[device]);
  current = device;
  return device;
}

const told = new Set<string>();
/** Says something once in a process. */
function tell(line: string): void {
  if (told.has(line)) return;
  told.add(line);
  console.warn(`ditlab: ${line}`);
}

/**
 * Puts the whole process on a device and returns its name. Compiled functions follow from their next call on, unless they
 * name a target of their own; tensors go where an operation needs them.
 *
 * `cpu` (always there), `wasm` and `tensorflow` compile to onnxruntime and differ in eager operations; on `webgpu` both are
 * on one GPU, and arrays pass between them without a copy; on `cuda` compiled functions run on a GPU of NVIDIA's, and eager
 * operations on the processor, which copies what they need of it. Without a name, or by `auto`: what `DITLAB_DEVICE` says, else the
 * fastest that passes its check on this machine (see `devices`), never a GPU that a processor plays. What cannot be had in
 * that way is said in one line, and `cpu` taken.
 * @throws for a name that is given: where it is unknown, its package is missing, or there is no such hardware, with the
 * command that helps
 */
export async function useDevice(name: Device | "auto" = "auto"): Promise<Device> {
  if (name !== "auto") return take(checkDevice(name));
  const { DITLAB_DEVICE: wanted } = process.env;
  if (wanted && wanted !== "auto") {
    const device = checkDevice(wanted, `DITLAB_DEVICE is '${wanted}', no device`);
    try {
      return await take(device);
    } catch (error) {
      tell(`DITLAB_DEVICE=${wanted} is not to be had, running on cpu: ${(error as Error).message}`);
      return take("cpu");
    }
  }
  const { device, reason } = await automatic();
  if (reason !== undefined) tell(`running on ${device}: ${reason}`);
  try {
    return await take(device);
  } catch (error) {
    tell(`${device} is not to be had, running on cpu: ${(error as Error).message}`);
    return take("cpu");
  }
}
