/** Which device is taken where none is named. */

import { installCommand } from "../package.ts";
import { mayHaveCuda } from "./cuda/sight.ts";
import type { Hardware } from "./findings.ts";
import { type Device, PACKAGES } from "./names.ts";
import { isInstalled } from "./packages.ts";
import { hardwareOf } from "./trial.ts";
import { newTrial, rememberedTrial, type Trial } from "./trials.ts";

/** Seconds that a trial may take a process that only wants to begin. */
const PATIENCE = 20;

/** Devices that are GPUs, the one first that is to be taken where both work. */
export const GPUS = ["cuda", "webgpu"] as const satisfies readonly Device[];
type GPU = (typeof GPUS)[number];

export interface Choice {
  device: Device;
  /** What speaks against a GPU that is, or might be, there. */
  reason?: string;
}

/** Why the GPU is not taken by itself; nothing where it is. */
export function againstGPU(gpu: Trial, cpu: Trial, device: GPU = "webgpu"): string | undefined {
  const { hardware, compiled, eager, error, fix } = gpu;
  if (hardware?.isSoftware)
    return `the GPU here, ${hardware.name}, is played by the processor; it is taken when asked for by name, '${device}'`;
  const failure = error ?? compiled?.error ?? eager?.error;
  if (failure !== undefined)
    return `${device} does not work here: ${failure}${error === undefined || fix === undefined ? "" : `: ${fix}`}`;
  const [its, ours] = [compiled?.gflops ?? 0, cpu.compiled?.gflops ?? 0];
  if (its <= ours)
    return `the GPU here, ${hardware?.name}, multiplies at ${Math.round(its)} GFLOP/s, the processor at ${Math.round(ours)}`;
  return undefined;
}

/** The first GPU that nothing speaks against, else the processor; with what spoke against those before. */
export function choiceAmong(tried: readonly { device: GPU; trial: Trial }[], cpu: Trial): Choice {
  const reasons: string[] = [];
  const said = (): { reason?: string } => (reasons.length > 0 ? { reason: reasons.join("; ") } : {});
  for (const { device, trial } of tried) {
    const reason = againstGPU(trial, cpu, device);
    if (reason === undefined) return { device, ...said() };
    reasons.push(reason);
  }
  return { device: "cpu", ...said() };
}

const isSame = (a: Hardware, b: Hardware | undefined): boolean => a.name === b?.name && a.driver === b.driver;

/** A trial of the GPU that is here: one that is remembered may be of another. */
async function trialOfGPU(device: GPU): Promise<Trial> {
  const trial = await rememberedTrial(device, PATIENCE);
  if (againstGPU(trial, {}, device) !== undefined) return trial;
  try {
    // It has passed before, or just now, so that it may be opened here.
    if (isSame(await hardwareOf(device), trial.hardware)) return trial;
  } catch {
    // It is gone.
  }
  return newTrial(device, PATIENCE);
}

/** What webgpu lacks of its packages; nothing where it has them all, or none at all. */
function halfInstalled(): string | undefined {
  const names = PACKAGES.webgpu.map(([name]) => name);
  const [there, missing] = [names.filter(isInstalled), names.filter((name) => !isInstalled(name))];
  if (there.length === 0 || missing.length === 0) return undefined;
  return `${there[0]} is installed, but webgpu needs ${missing[0]} too: ${installCommand(names)}`;
}

/** Whether there is anything to try. */
const mayBe: Readonly<Record<GPU, () => boolean>> = {
  cuda: mayHaveCuda,
  webgpu: () => PACKAGES.webgpu.every(([name]) => isInstalled(name)),
};

/** The fastest device that passes its check here. */
export async function automatic(): Promise<Choice> {
  const tried: { device: GPU; trial: Trial }[] = [];
  let cpu: Trial = {};
  for (const device of GPUS) {
    if (!mayBe[device]()) continue;
    const trial = await trialOfGPU(device);
    tried.push({ device, trial });
    if (againstGPU(trial, {}, device) !== undefined) continue;
    cpu = await rememberedTrial("cpu", PATIENCE);
    // What comes behind it need not be tried.
    if (againstGPU(trial, cpu, device) === undefined) break;
  }
  const choice = choiceAmong(tried, cpu);
  const half = choice.device === "cpu" ? halfInstalled() : undefined;
  if (half === undefined) return choice;
  return { ...choice, reason: [choice.reason, half].filter((part) => part !== undefined).join("; ") };
}
