/** Where NVIDIA's libraries are: the driver's, of a toolkit the compiler and the products, and NCCL. */
import { existsSync, readdirSync, realpathSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { type LibraryName, recordedFile } from "./manifest.ts";

export type { LibraryName };

/** Versions of CUDA that kernels and calls are written for, the newest first. */
export const MAJORS = [13, 12] as const;

const isWindows = process.platform === "win32";

/** Those that a driver of a version (`13010` is 13.1) can run. */
export const majorsFor = (driver: number): number[] =>
  MAJORS.filter((major) => major <= Math.floor(driver / 1000));

/** A driver's version, as it is written. */
export const versionText = (driver: number): string =>
  `${Math.floor(driver / 1000)}.${Math.floor((driver % 1000) / 10)}`;

export function fileNames(name: LibraryName, major: number): string[] {
  if (!isWindows) return [`lib${name}.so.${major}`];
  return name === "nvrtc" ? [`nvrtc64_${major}0_0.dll`] : [`cublasLt64_${major}.dll`];
}

/** Toolkits have their libraries by the kind of processor. */
const TARGETS = { x64: "x86_64-linux", arm64: "sbsa-linux" } as Readonly<Record<string, string>>;

/** Folders of libraries below one that holds them, as toolkits and NVIDIA's wheels (of 13, and of 12) are laid out. */
export function foldersBelow(root: string): string[] {
  const inWheels = ["cu13", "cuda_nvrtc", "cublas", "nccl"].map((name) => join(root, "nvidia", name));
  return [root, join(root, "targets", TARGETS[process.arch] ?? ""), ...inWheels].flatMap((folder) => [
    folder,
    join(folder, "lib64"),
    join(folder, "lib"),
    join(folder, "bin"),
  ]);
}

/** The folders of packages of a Python environment, or of what lies as one does. */
export function sitePackages(environment: string): string[] {
  if (isWindows) return [join(environment, "Lib", "site-packages")];
  const lib = join(environment, "lib");
  let names: string[] = [];
  try {
    names = readdirSync(lib);
  } catch {
    // There is none.
  }
  const number = (version: string): number => Number(/\d+$/.exec(version)?.[0]);
  // Debian's own packages are the same for all of its versions.
  const versions = names.filter((name) => /^python3(\.\d+)?$/.test(name));
  return versions
    .sort((a, b) => number(b) - number(a))
    .flatMap((version) => ["site-packages", "dist-packages"].map((packages) => join(lib, version, packages)));
}

/**
 * Where packages of Pythons lie that no variable names: beside the first that a shell would start, the user's own, what
 * pip installed for all, the system's.
 */
function outsideEnvironments({ PATH = "" }: NodeJS.ProcessEnv): string[] {
  if (isWindows) return [];
  const first = PATH.split(delimiter).find((folder) => folder !== "" && existsSync(join(folder, "python3")));
  const besides = first === undefined ? [] : [dirname(first)];
  return [...new Set([...besides, join(homedir(), ".local"), "/usr/local", "/usr"])];
}

/** Folders that are looked through, in this order, before the loader's own. */
export function placesOf(
  environment: NodeJS.ProcessEnv,
  pythons = outsideEnvironments(environment),
): string[] {
  const { VIRTUAL_ENV, CONDA_PREFIX, CUDA_HOME, CUDA_PATH } = environment;
  const given = (...paths: (string | undefined)[]): string[] => paths.flatMap((path) => path || []);
  return [
    // Conda has packages of its own, with libraries in the environment's.
    ...given(VIRTUAL_ENV, CONDA_PREFIX).flatMap((path) => [...sitePackages(path), path]),
    ...given(CUDA_HOME, CUDA_PATH, "/usr/local/cuda"),
    ...pythons.flatMap(sitePackages),
  ];
}

/** Folders that the user names: they go before all others. */
const givenFolders = ({ DITLAB_CUDA_PATH }: NodeJS.ProcessEnv): string[] =>
  (DITLAB_CUDA_PATH ?? "").split(delimiter).filter(Boolean);

/** What of some files lies below some folders. */
const filesBelow = (places: readonly string[], names: readonly string[]): string[] =>
  places
    .flatMap(foldersBelow)
    .flatMap((folder) => names.map((file) => join(folder, file)))
    .filter((file) => existsSync(file));

/**
 * What may be loaded for a library, best first: files that are there (in the folders that the user names, then what
 * `ditlab setup cuda` has recorded, then Python's and toolkits'), then names for the loader to find.
 */
export function candidatesFor(
  name: LibraryName,
  driver: number,
  environment: NodeJS.ProcessEnv = process.env,
  places = placesOf(environment),
): string[] {
  const majors = majorsFor(driver);
  const names = majors.flatMap((major) => fileNames(name, major));
  const recorded = recordedFile(name, majors);
  return [
    ...filesBelow(givenFolders(environment), names),
    ...(recorded === undefined ? [] : [recorded]),
    ...filesBelow(places, names),
    ...names,
  ];
}

/** NCCL's file on Linux, the only system that it is for; of all versions of CUDA. */
export const NCCL = "libnccl.so.2";

/** What may be loaded for NCCL: the file that `DITLAB_NCCL` names, or else what is there, then the name for the loader. */
export function ncclCandidates(environment: NodeJS.ProcessEnv = process.env): string[] {
  const { DITLAB_NCCL } = environment;
  if (DITLAB_NCCL) return [DITLAB_NCCL];
  return [...filesBelow([...givenFolders(environment), ...placesOf(environment)], [NCCL]), NCCL];
}

const DRIVER = isWindows ? "nvcuda.dll" : "libcuda.so.1";

/** Where the driver's library lies apart from the loader's own folders: Windows' for its Linux has one, NixOS another. */
const DRIVER_FOLDERS = ["/usr/lib/wsl/lib", "/run/opengl-driver/lib"];

/** What NVRTC loads itself, its built-in functions: they lie beside it. */
export function companionsOf(nvrtc: string): string[] {
  if (!existsSync(nvrtc)) return [];
  const folder = dirname(realpathSync(nvrtc));
  return readdirSync(folder)
    .filter((name) => /^(lib)?nvrtc-builtins(64_\d+)?\.(so\.\d+\.\d+|dll)$/.test(name))
    .map((name) => join(folder, name));
}

/** The driver's library: it comes with the driver and nothing else. */
export function driverCandidates(environment: NodeJS.ProcessEnv = process.env): string[] {
  const there = [...givenFolders(environment), ...DRIVER_FOLDERS]
    .map((folder) => join(folder, DRIVER))
    .filter((path) => existsSync(path));
  return [...there, DRIVER];
}

/** Folders in which the loader finds it, on the systems that there are. */
const LOADED_FROM = isWindows
  ? [join(process.env.SystemRoot ?? "C:\\Windows", "System32")]
  : [
      ...["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"],
      ...["/lib/x86_64-linux-gnu", "/lib64", "/usr/local/nvidia/lib64", "/usr/local/nvidia/lib"],
    ];

/** The file of the driver's library, without loading anything; nothing where it is in no usual place. */
export function driverFile(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const loaders = (environment.LD_LIBRARY_PATH ?? "").split(delimiter).filter(Boolean);
  return [...givenFolders(environment), ...loaders, ...DRIVER_FOLDERS, ...LOADED_FROM]
    .map((folder) => join(folder, DRIVER))
    .find((path) => existsSync(path));
}

/** The command that brings what is missing. */
export const SETUP = "npx ditlab setup cuda";
