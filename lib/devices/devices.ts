/** Every way in which this machine can run, tried out. */
import { NO_GPU } from "../jit/targets/webgpu/device.ts";
import { choiceAmong, GPUS } from "./automatic.ts";
import { changedSetup } from "./cuda/hardware.ts";
import { devicesHtml, devicesText } from "./devices-view.ts";
import { missingReason } from "./eager.ts";
import type { DeviceReport, DevicesReport } from "./findings.ts";
import { gpuHint, sightOf } from "./gpu-hint.ts";
import { checkDevice, DEVICES, type Device } from "./names.ts";
import { remember, type Trial, trialOf } from "./trials.ts";

/** What a trial says, with the step that helps where it failed. */
function reportOf(device: Device, trial: Trial): DeviceReport {
  const { error, fix, ...findings } = trial;
  const failure = error ?? trial.compiled?.error ?? trial.eager?.error;
  if (failure === undefined) return { device, works: true, ...findings, ...(fix !== undefined && { fix }) };
  const isAbsent = failure.includes(NO_GPU);
  // A step that was found is that of an error which ended the trial.
  const step = error === undefined || fix === undefined ? {} : { fix };
  const hint = isAbsent ? gpuHint(sightOf()) : { problem: failure, ...step };
  return { device, works: false, ...findings, ...hint };
}

/** What `auto` comes to, by these reports. */
function choiceOf(reports: ReadonlyMap<Device, DeviceReport>, trials: ReadonlyMap<Device, Trial>) {
  const { DITLAB_DEVICE: wanted } = process.env;
  if (wanted && wanted !== "auto") {
    const device = checkDevice(wanted, `DITLAB_DEVICE is '${wanted}', no device`);
    return reports.get(device)?.works
      ? { auto: device, reason: `DITLAB_DEVICE=${wanted}` }
      : { auto: "cpu" as const, reason: `DITLAB_DEVICE=${wanted} does not work here` };
  }
  const tried = GPUS.flatMap((device) =>
    trials.get(device) ? [{ device, trial: trials.get(device)! }] : [],
  );
  const { device, reason } = choiceAmong(tried, trials.get("cpu") ?? {});
  return { auto: device, ...(reason !== undefined && { reason }) };
}

/**
 * Tries every device on this machine, each in a process of its own: whether its results are right, how fast it multiplies
 * float32 matrices, what it is; and for each that does not work the step that would make it so. Takes seconds. What `auto`
 * takes goes by it from now on. Shows itself as a table in notebooks, and as text.
 */
export async function devices(): Promise<DevicesReport> {
  const reports = new Map<Device, DeviceReport>();
  const trials = new Map<Device, Trial>();
  for (const device of DEVICES) {
    const missing = missingReason(device);
    if (missing) {
      reports.set(device, { device, works: false, ...missing });
      continue;
    }
    // One after the other: they would slow each other down.
    const trial = await trialOf(device);
    trials.set(device, trial);
    const report = reportOf(device, trial);
    reports.set(device, device === "cuda" ? { ...report, ...(await changedSetup()) } : report);
    await remember(device, trial);
  }
  const report = { ...choiceOf(reports, trials), devices: [...reports.values()] };
  // Not among the properties: a report is data, and is written as JSON.
  return Object.defineProperties(report as DevicesReport, {
    toString: { value: () => devicesText(report) },
    toHtml: { value: () => devicesHtml(report) },
    [Symbol.for("Jupyter.display")]: {
      value: () => ({ "text/plain": devicesText(report), "text/html": devicesHtml(report) }),
    },
  });
}
