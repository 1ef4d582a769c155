/** Trials of devices, each in a process of its own, and what is remembered of them. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, statSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { fingerprint } from "../fingerprint.ts";
import { cacheFolder } from "../home.ts";
import { candidatesFor, driverFile, MAJORS } from "../jit/targets/cuda/libraries.ts";
import { stateOf } from "../jit/targets/cuda/manifest.ts";
import { packageVersion } from "../package.ts";
import { writeWhole } from "../whole.ts";
import type { Findings } from "./findings.ts";
import { textOf } from "./machine-files.ts";
import { type Device, PACKAGES } from "./names.ts";
import { versionOf } from "./packages.ts";

/** What a trial has come to. */
export interface Trial extends Findings {
  /** Why it ended early, by itself or not. */
  error?: string;
  /** That it was given up, which a busy machine may be the reason of. */
  late?: boolean;
}

/** Beside the sources and in the package alike. */
const script = fileURLToPath(
  new URL(
    import.meta.url.endsWith(".ts") ? "trial-child.js" : "../../../lib/devices/trial-child.js",
    import.meta.url,
  ),
);

/** Seconds after which a driver is taken to hang. */
const TIMEOUT = 60;

/** Tries a device in a process of its own; what the process found before it ended counts. Never rejects. */
export async function trialOf(
  device: Device,
  { allowSoftware = true, timeout = TIMEOUT } = {},
): Promise<Trial> {
  const args = [script, device, allowSoftware ? "software" : "hardware"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  let trial: Trial = {};
  const errors: string[] = [];
  createInterface(child.stderr).on("line", (line) => {
    if (line.trim() !== "" && !/^Warning/.test(line)) errors.push(line);
  });
  createInterface(child.stdout).on("line", (line) => {
    // A library's own words are no finding.
    if (!/^\{"(findings|error)":/.test(line)) return;
    const { findings, ...failure } = JSON.parse(line) as {
      findings?: Findings;
      error?: string;
      fix?: string;
    };
    trial = { ...trial, ...findings, ...failure };
    // What could be better does not matter where it does not work.
    if (failure.error !== undefined && failure.fix === undefined) delete trial.fix;
  });
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    child.kill("SIGKILL");
  }, timeout * 1000);
  try {
    const [code, signal] = (await once(child, "close")) as [number | null, string | null];
    if (isLate) Object.assign(trial, { error: `it had not answered after ${timeout} s`, late: true });
    else if (code !== 0)
      trial.error ??= `the process that tried it ended with ${signal ?? `code ${code}`}: ${errors.at(-1) ?? "it said nothing"}`;
  } catch (error) {
    trial.error = (error as Error).message;
  } finally {
    clearTimeout(timer);
  }
  return trial;
}

/** Names and times of a folder's files; nothing where there is none. */
function listed(folder: string): string[] {
  try {
    return readdirSync(folder).map((name) => `${folder}/${name} ${statSync(join(folder, name)).mtimeMs}`);
  } catch {
    return [];
  }
}

/** What NVIDIA's libraries are looked for by, and which there are: the newest first, for any driver. */
const CUDA_VARIABLES = ["DITLAB_CUDA_PATH", "LD_LIBRARY_PATH"];
const cudaFiles = (): string[] =>
  [
    driverFile() ?? "",
    ...(["nvrtc", "cublasLt"] as const).flatMap((name) => candidatesFor(name, ANY_DRIVER)),
  ].map((file) => `${file} ${stateOf(file)?.modified}`);
const ANY_DRIVER = 1000 * MAJORS[0];

/** What decides how a trial ends, as far as it can be known without a driver. */
function surroundings(device: Device): string[] {
  const { env, version, arch, platform } = process;
  const variables = [
    "VK_ICD_FILENAMES",
    "VK_DRIVER_FILES",
    "DITLAB_THREADS",
    "CUDA_VISIBLE_DEVICES",
    "DITLAB_CUDA_DEVICE",
    "DISPLAY",
    ...(device === "cuda" ? CUDA_VARIABLES : []),
  ];
  return [
    `ditlab ${packageVersion} node ${version} ${platform} ${arch} ${cpus()[0]?.model} x${cpus().length}`,
    ...["onnxruntime-node", ...PACKAGES[device].flat()].map((name) => `${name} ${versionOf(name)}`),
    ...variables.map((name) => `${name}=${env[name]}`),
    ...["/etc/vulkan/icd.d", "/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"].flatMap(listed),
    ...listed("/dev/dri").map((line) => line.split(" ")[0]),
    textOf("/proc/driver/nvidia/version"),
    ...(device === "cuda" ? cudaFiles() : []),
  ];
}

const cacheFile = (device: Device): string =>
  cacheFolder("devices", `${device}-${fingerprint(surroundings(device), 16)}.json`);

/** Writes what a trial found, for `rememberedTrial`; where it cannot be written, the next process tries anew. */
export async function remember(device: Device, trial: Trial): Promise<void> {
  try {
    const file = cacheFile(device);
    await mkdir(dirname(file), { recursive: true });
    await writeWhole(file, `${JSON.stringify(trial)}\n`);
  } catch {
    // A cache is no more than that.
  }
}

/** A trial that is remembered. It does not go on with a GPU that a processor plays. @param timeout seconds */
export async function newTrial(device: Device, timeout: number): Promise<Trial> {
  const trial = await trialOf(device, { allowSoftware: false, timeout });
  // A machine that was busy may not be so the next time.
  if (!trial.late) await remember(device, trial);
  return trial;
}

/** What an earlier trial found on this machine with these packages and drivers, or else a new one. @param timeout seconds */
export async function rememberedTrial(device: Device, timeout: number): Promise<Trial> {
  try {
    return JSON.parse(await readFile(cacheFile(device), "utf8"));
  } catch {
    return newTrial(device, timeout);
  }
}
