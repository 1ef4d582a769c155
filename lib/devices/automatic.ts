/** Which device is taken where none is named. */

import { installCommand } from "../package.ts";
import type { Hardware } from "./findings.ts";
import { type Device, PACKAGES } from "./names.ts";
import { isInstalled } from "./packages.ts";
import { hardwareOf } from "./trial.ts";
import { newTrial, rememberedTrial, type Trial } from "./trials.ts";

/** Seconds that a trial may take a process that only wants to begin. */
const PATIENCE = 20;

export interface Choice {
  device: Device;
  /** What speaks against a GPU that is, or might be, there. */
  reason?: string;
}

/** Why the GPU is not taken by itself; nothing where it is. */
export function againstGPU(gpu: Trial, cpu: Trial): string | undefined {
  const { hardware, compiled, eager, error } = gpu;
  if (hardware?.isSoftware)
    return `the GPU here, ${hardware.name}, is played by the processor; it is taken when asked for by name, 'webgpu'`;
  const failure = error ?? compiled?.error ?? eager?.error;
  if (failure !== undefined) return `webgpu does not work here: ${failure}`;
  const [its, ours] = [compiled?.gflops ?? 0, cpu.compiled?.gflops ?? 0];
  if (its <= ours)
    return `the GPU here, ${hardware?.name}, multiplies at ${Math.round(its)} GFLOP/s, the processor at ${Math.round(ours)}`;
  return undefined;
}

const isSame = (a: Hardware, b: Hardware | undefined): boolean => a.name === b?.name && a.driver === b.driver;

/** A trial of the GPU that is here: one that is remembered may be of another. */
async function trialOfGPU(): Promise<Trial> {
  const trial = await rememberedTrial("webgpu", PATIENCE);
  if (againstGPU(trial, {}) !== undefined) return trial;
  try {
    // It has passed before, or just now, so that it may be opened here.
    if (isSame(await hardwareOf("webgpu"), trial.hardware)) return trial;
  } catch {
    // It is gone.
  }
  return newTrial("webgpu", PATIENCE);
}

/** The fastest device that passes its check here. */
export async function automatic(): Promise<Choice> {
  const names = PACKAGES.webgpu.map(([name]) => name);
  const [there, missing] = [names.filter(isInstalled), names.filter((name) => !isInstalled(name))];
  if (there.length === 0) return { device: "cpu" };
  if (missing.length > 0)
    return {
      device: "cpu",
      reason: `${there[0]} is installed, but webgpu needs ${missing[0]} too: ${installCommand(names)}`,
    };
  const gpu = await trialOfGPU();
  const isCandidate = againstGPU(gpu, {}) === undefined;
  const cpu = isCandidate ? await rememberedTrial("cpu", PATIENCE) : {};
  const reason = againstGPU(gpu, cpu);
  return reason === undefined ? { device: "webgpu" } : { device: "cpu", reason };
}
