/** `ditlab setup cuda`: NVIDIA's compiler and products for the device `cuda`, found or fetched, checked, and taken away. */
import { mkdir, mkdtemp, rename } from "node:fs/promises";
import { join } from "node:path";
import { writeAtomic } from "../../io/files.ts";
import { openDriver } from "../../jit/targets/cuda/driver.ts";
import { companionsOf, MAJORS, majorsFor, versionText } from "../../jit/targets/cuda/libraries.ts";
import {
  changedPart,
  filesOf,
  hashOfFile,
  type LibraryFile,
  type Manifest,
  manifestFile,
  manifestText,
  readManifest,
  setupFolder,
  stateOf,
} from "../../jit/targets/cuda/manifest.ts";
import { isAlive, removeFrom, undoing } from "../setup-folder.ts";
import { checkBeside } from "../setup-processes.ts";
import { type Found, fetchWheels, foundBelow, foundHere, sizeText } from "./find.ts";
import { hintOf } from "./open.ts";

export interface CudaSetupOptions {
  /** A folder that holds the libraries. */
  from?: string;
  /** The version of CUDA whose wheels are fetched; without it the newest that the driver can run. */
  major?: number;
  /** Whether cuBLASLt is fetched, too: it is most of the bytes. */
  hasProducts?: boolean;
  signal?: AbortSignal;
  /** Is told each step. */
  say?: (line: string) => void;
  /** A process that tries what was made takes the record's file and prints what there is. For tests. */
  check?: (record: string, signal?: AbortSignal) => Promise<string>;
}

/** Names of what is made here; those of half-made things hold the process that makes them. */
const MADE = /^(setup\.json.*|wheels-\d+-(\d+)-\w+|half-(\d+)-\w+(\.download)?)$/;

const checked = (record: string, signal?: AbortSignal): Promise<string> =>
  checkBeside(import.meta.url, record, signal);

/** Removes what was made here: all, or what neither a setup nor a process at work needs. @returns whether there was any */
function clean(keep?: Manifest): Promise<boolean> {
  const isKept = (name: string): boolean => {
    if (!keep) return false;
    const [, , wheels, half] = MADE.exec(name)!;
    const maker = wheels ?? half;
    if (maker === undefined) return true;
    if (filesOf(keep).some(({ file }) => file.startsWith(join(setupFolder(name), "/")))) return true;
    return Number(maker) !== process.pid && isAlive(Number(maker));
  };
  return removeFrom(setupFolder(), (name) => MADE.test(name) && !isKept(name));
}

/** Removes all that the command has made; libraries stay where they were there before. @returns whether there was any */
export const removeCuda = (): Promise<boolean> => clean();

/** Versions of CUDA that would do here, the best first. @throws where no driver says, and nobody else does */
function wantedMajors({ major, from }: CudaSetupOptions): { majors: number[]; driver: number } {
  let driver: number | undefined;
  let reason = "";
  try {
    driver = openDriver().version;
  } catch (error) {
    const { problem, fix } = hintOf(error) ?? { problem: (error as Error).message, fix: "" };
    reason = `${problem}${fix === "" ? "" : ` (${fix})`}`;
  }
  const known = driver === undefined ? [...MAJORS] : majorsFor(driver);
  if (known.length === 0)
    throw new Error(
      `NVIDIA's driver is for CUDA ${versionText(driver!)}, expected ${MAJORS.at(-1)}.0 or newer: sudo apt install nvidia-driver`,
    );
  if (major !== undefined && !known.includes(major))
    throw new Error(
      `--major ${major} was given, and NVIDIA's driver is for CUDA ${versionText(driver!)}; expected --major ${known.join(" or ")}`,
    );
  if (driver === undefined && major === undefined && from === undefined)
    throw new Error(
      `no driver says which version of CUDA fits: ${reason}; for another machine's GPU name it: npx ditlab setup cuda --major ${MAJORS.join(" or ")}`,
    );
  return { majors: major === undefined ? known : [major], driver: driver ?? 1000 * MAJORS[0] };
}

async function recorded(file: string, signal?: AbortSignal): Promise<LibraryFile> {
  return { file, ...stateOf(file)!, sha256: await hashOfFile(file, signal) };
}

/** The record of libraries that are there. */
async function manifestOf(found: Found, isOurs: boolean, signal?: AbortSignal): Promise<Manifest> {
  const { major, nvrtc, cublasLt } = found;
  const others: LibraryFile[] = [];
  for (const file of companionsOf(nvrtc)) others.push(await recorded(file, signal));
  return {
    major,
    isOurs,
    libraries: {
      nvrtc: await recorded(nvrtc, signal),
      ...(cublasLt !== undefined && { cublasLt: await recorded(cublasLt, signal) }),
    },
    others,
  };
}

/** Fetches wheels into a folder of their own; `made` is told which. */
async function fetched(
  major: number,
  options: CudaSetupOptions,
  made: (folder: string) => void,
): Promise<Found> {
  const { hasProducts = true, signal, say } = options;
  const what = hasProducts ? "NVRTC and cuBLASLt" : "NVRTC";
  say?.(`fetching NVIDIA's ${what} for CUDA ${major} by pip (${sizeText(major, hasProducts)}) ...`);
  const half = await mkdtemp(setupFolder(`half-${process.pid}-`));
  made(half);
  made(`${half}.download`);
  await fetchWheels(major, hasProducts, half, { signal });
  const folder = half.replace(/half-(\d+-\w+)$/, `wheels-${major}-$1`);
  await rename(half, folder);
  made(folder);
  return foundBelow(folder, [major]);
}

/** Makes a setup; `made` is told each folder that it makes. */
async function make(options: CudaSetupOptions, made: (folder: string) => void): Promise<[Manifest, string]> {
  const { from, major, hasProducts, signal, say, check = checked } = options;
  const { majors, driver } = wantedMajors(options);
  await mkdir(setupFolder(), { recursive: true });
  // Who names a version, or leaves a library out, wants them fetched.
  const isAny = major === undefined && hasProducts !== false;
  const there = from !== undefined ? foundBelow(from, majors) : isAny ? foundHere(driver, majors) : undefined;
  const found = there ?? (await fetched(majors[0], options, made));
  say?.(`NVRTC for CUDA ${found.major}, which is ${found.nvrtc}`);
  say?.(
    found.cublasLt === undefined
      ? "no cuBLASLt: products are slower"
      : `cuBLASLt, which is ${found.cublasLt}`,
  );
  const manifest = await manifestOf(found, there === undefined, signal);
  const folder = await mkdtemp(setupFolder(`half-${process.pid}-`));
  made(folder);
  const candidate = join(folder, "setup.json");
  await writeAtomic(candidate, manifestText(manifest));
  say?.("checking that a kernel compiles, and a product where there is a GPU ...");
  const runtime = await check(candidate, signal);
  signal?.throwIfAborted();
  // From here on it is there.
  await writeAtomic(manifestFile(), manifestText(manifest));
  return [manifest, runtime];
}

/** Whether a setup is what the options ask for. Where no driver says, one that is there is the one that is meant. */
function fits(manifest: Manifest, options: CudaSetupOptions): boolean {
  const { from, hasProducts } = options;
  const { majors } = wantedMajors({ ...options, from: from ?? "what is there" });
  if (!majors.includes(manifest.major)) return false;
  if (from !== undefined) return foundBelow(from, majors).nvrtc === manifest.libraries.nvrtc?.file;
  return hasProducts === false || manifest.libraries.cublasLt !== undefined;
}

/** What there is already, where it holds to the byte, works, and is what is wanted; else says why it is made anew. */
async function existing(options: CudaSetupOptions): Promise<string | undefined> {
  const { say, signal, check = checked } = options;
  let problem: string | undefined;
  try {
    const manifest = readManifest();
    if (!manifest) return undefined;
    problem = await changedPart(manifest);
    if (problem === undefined)
      return fits(manifest, options) ? await check(manifestFile(), signal) : undefined;
  } catch (error) {
    if (signal?.aborted) throw error;
    problem = (error as Error).message;
  }
  say?.(`setting it up anew: ${problem}`);
  return undefined;
}

/** Why it cannot be had on a platform at all. */
export function unsupported(platform = process.platform, arch = process.arch): string | undefined {
  if (platform === "linux" && (arch === "x64" || arch === "arm64")) return undefined;
  return platform === "win32"
    ? "NVIDIA's libraries can be set up on Linux alone; on Windows install NVIDIA's CUDA toolkit, whose libraries are found"
    : `NVIDIA's libraries can be set up on Linux (x64 and arm64) alone, and this is ${platform} on ${arch}`;
}

/**
 * Makes the device `cuda` usable where there is a driver, unless it is. What fails leaves everything as it was.
 * @returns what there is from now on
 * @throws naming the step that failed and what it needs
 */
export async function setUpCuda(
  options: CudaSetupOptions = {},
): Promise<{ runtime: string; isNew: boolean }> {
  const problem = unsupported();
  if (problem) throw new Error(problem);
  return undoing(setupFolder(), options.signal, async (made) => {
    const runtime = await existing(options);
    if (runtime !== undefined) return { runtime, isNew: false };
    const [manifest, found] = await make(options, made);
    await clean(manifest);
    return { runtime: found, isNew: true };
  });
}
