/** `ditlab setup tensorflow`: the addon for the device `tensorflow`, made, checked, and taken away again. */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { writeAtomic } from "../../io/files.ts";
import { isAlive, removeFrom, undoing } from "../setup-folder.ts";
import { checkBeside } from "../setup-processes.ts";
import { checkCompiler, compile } from "./build.ts";
import { fetchWheel } from "./fetch-wheel.ts";
import {
  brokenPart,
  hashOf,
  home,
  LIBRARIES,
  PACKAGE_VERSION,
  readSetup,
  recordFile,
  recordText,
  type Setup,
  stateOf,
  unsupported,
} from "./record.ts";
import { headersIn, putPackage } from "./sources.ts";
import { tensorFlowBelow, tensorFlowOfPython, type Wheel, wheelIn } from "./wheel.ts";

export interface SetupOptions {
  /** A folder that holds TensorFlow. */
  from?: string;
  /** Whether the wheel is one with CUDA; without a word one that is there, else what this machine has. */
  hasCuda?: boolean;
  signal?: AbortSignal;
  /** Is told each step. */
  say?: (line: string) => void;
  /** A process that tries what was made takes the record's file and prints what computes. For tests. */
  check?: (record: string, signal?: AbortSignal) => Promise<string>;
}

/** Names of what is made here; those of half-made things hold the process that makes them. */
const MADE = /^(setup\.json.*|addon-(\d+)-\w+|wheel-[\w.]+-(cpu|cuda)|half-(\d+)-\w+(\.download)?)$/;

/** Tries a setup in a process of its own. @returns what computes */
const checked = (record: string, signal?: AbortSignal): Promise<string> =>
  checkBeside(import.meta.url, record, signal);

/** Removes what was made here: all, or what neither a setup nor a process at work needs. @returns whether there was any */
async function clean(keep?: Setup): Promise<boolean> {
  const kept = (name: string): boolean => {
    if (!keep) return false;
    const [, , addon, , half] = MADE.exec(name)!;
    if (half !== undefined) return Number(half) !== process.pid && isAlive(Number(half));
    if (addon !== undefined && keep.addon !== join(home(), name, basename(keep.addon)))
      return Number(addon) !== process.pid && isAlive(Number(addon));
    return !name.startsWith("wheel-") || keep.tensorflow === home(name, "tensorflow");
  };
  return removeFrom(home(), (name) => MADE.test(name) && !kept(name));
}

/** Removes all that the command has made; TensorFlow stays where it was there before. @returns whether there was any */
export const removeTensorFlow = (): Promise<boolean> => clean();

const hasDriver = (): boolean => existsSync("/proc/driver/nvidia/version");

/** The TensorFlow to compile against, fetched where there is none; `made` is told what is. */
async function findWheel(options: SetupOptions, made: (folder: string) => void): Promise<Wheel> {
  const { from, hasCuda, signal, say } = options;
  if (from !== undefined) {
    const wheel = tensorFlowBelow(from);
    if (hasCuda !== undefined && wheel.hasCuda !== hasCuda)
      throw new Error(
        `TensorFlow in ${wheel.folder} is a build with${wheel.hasCuda ? "" : "out"} CUDA, expected one with${hasCuda ? "" : "out"}`,
      );
    return wheel;
  }
  const there = await tensorFlowOfPython({ signal });
  if (there && (hasCuda === undefined || there.hasCuda === hasCuda)) return there;
  const wanted = hasCuda ?? hasDriver();
  const kind = wanted ? "cuda" : "cpu";
  const before = (await readdir(home()).catch(() => [])).find(
    (name) => name.startsWith("wheel-") && name.endsWith(`-${kind}`),
  );
  if (before !== undefined)
    try {
      return wheelIn(home(before, "tensorflow"));
    } catch {
      // Part of it is gone.
      await rm(home(before), { recursive: true, force: true });
    }
  say?.(
    `fetching TensorFlow by pip (${wanted ? "with CUDA some 3 GB, 6 GB" : "0.3 GB, 0.9 GB"} unpacked) ...`,
  );
  const half = await mkdtemp(home(`half-${process.pid}-`));
  made(half);
  made(`${half}.download`);
  const { version, hasCuda: has } = await fetchWheel(wanted, half, { signal });
  const folder = home(`wheel-${version.replace(/[^\w.]/g, "_")}-${kind}`);
  await rm(folder, { recursive: true, force: true });
  await rename(half, folder);
  made(folder);
  return { folder: join(folder, "tensorflow"), version, hasCuda: has };
}

/** Makes a setup; `made` is told each folder that it makes. */
async function make(options: SetupOptions, made: (folder: string) => void): Promise<[Setup, string]> {
  const { signal, say, check = checked } = options;
  await checkCompiler({ signal });
  await mkdir(home(), { recursive: true });
  const wheel = await findWheel(options, made);
  say?.(`TensorFlow ${wheel.version}${wheel.hasCuda ? " with CUDA" : ""}, which lies in ${wheel.folder}`);
  const folder = await mkdtemp(home(`addon-${process.pid}-`));
  made(folder);
  const source = await putPackage(join(folder, "package"), { signal });
  const headers = await headersIn(join(folder, "headers"), { signal });
  say?.(`compiling the addon of ${source} ...`);
  const addon = join(folder, "tfjs_binding.node");
  await compile({ sources: join(folder, "package/binding"), headers }, wheel, addon, { signal });
  await rm(join(folder, "headers"), { recursive: true, force: true });
  const setup: Setup = {
    package: join(folder, "package"),
    packageVersion: PACKAGE_VERSION,
    addon,
    hash: hashOf(addon)!,
    tensorflow: wheel.folder,
    version: wheel.version,
    hasCuda: wheel.hasCuda,
    isOurs: wheel.folder.startsWith(home("wheel-")),
    libraries: Object.fromEntries(LIBRARIES.map((name) => [name, stateOf(join(wheel.folder, name))!])),
  };
  const candidate = join(folder, "setup.json");
  await writeAtomic(candidate, recordText(setup));
  say?.("checking a product, a gradient and a convolution ...");
  const runtime = await check(candidate, signal);
  signal?.throwIfAborted();
  // From here on it is there.
  await writeAtomic(recordFile(), recordText(setup));
  return [setup, runtime];
}

/** Whether a setup is what the options ask for. */
function fits(setup: Setup, { from, hasCuda }: SetupOptions): boolean {
  if (hasCuda !== undefined && setup.hasCuda !== hasCuda) return false;
  return from === undefined || tensorFlowBelow(from).folder === setup.tensorflow;
}

/** What there is already, where it holds, works, and is what is wanted; else says why it is made anew. */
async function existing(options: SetupOptions): Promise<string | undefined> {
  const { say, signal, check = checked } = options;
  let problem: string | undefined;
  try {
    const setup = readSetup();
    if (!setup) return undefined;
    problem = brokenPart(setup);
    if (problem === undefined) {
      if (!fits(setup, options)) return undefined;
      return await check(recordFile(), signal);
    }
  } catch (error) {
    if (signal?.aborted) throw error;
    problem = (error as Error).message;
  }
  say?.(`setting it up anew: ${problem}`);
  return undefined;
}

/**
 * Makes the device `tensorflow` usable, unless it is. What fails leaves everything as it was.
 * @returns what computes from now on
 * @throws naming the step that failed and what it needs
 */
export async function setUpTensorFlow(
  options: SetupOptions = {},
): Promise<{ runtime: string; isNew: boolean }> {
  const problem = unsupported();
  if (problem) throw new Error(problem);
  return undoing(home(), options.signal, async (made) => {
    const runtime = await existing(options);
    if (runtime !== undefined) return { runtime, isNew: false };
    const [setup, found] = await make(options, made);
    await clean(setup);
    return { runtime: found, isNew: true };
  });
}
