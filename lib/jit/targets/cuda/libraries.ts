/** Where NVIDIA's libraries are: the driver's, and of a toolkit the compiler and the products. */
import { existsSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { cacheFolder } from "../../../home.ts";

/** The compiler of kernels, and matrix products. */
export type LibraryName = "nvrtc" | "cublasLt";

/** Versions of CUDA that kernels and calls are written for, the newest first. */
export const MAJORS = [13, 12] as const;

const isWindows = process.platform === "win32";

/** Those that a driver of a version (`13010` is 13.1) can run. */
export const majorsFor = (driver: number): number[] =>
  MAJORS.filter((major) => major <= Math.floor(driver / 1000));

function fileNames(name: LibraryName, major: number): string[] {
  if (!isWindows) return [`lib${name}.so.${major}`];
  return name === "nvrtc" ? [`nvrtc64_${major}0_0.dll`] : [`cublasLt64_${major}.dll`];
}

/** Folders of libraries below one that holds them, as toolkits and NVIDIA's wheels are laid out. */
function foldersBelow(root: string): string[] {
  const inWheels = ["cu13", "cuda_nvrtc", "cublas"].map((name) => join(root, "nvidia", name));
  return [root, join(root, "targets", "x86_64-linux"), ...inWheels].flatMap((folder) => [
    folder,
    join(folder, "lib64"),
    join(folder, "lib"),
    join(folder, "bin"),
  ]);
}

/** The folders of packages of a Python environment. */
export function sitePackages(environment: string): string[] {
  if (isWindows) return [join(environment, "Lib", "site-packages")];
  const lib = join(environment, "lib");
  const versions = existsSync(lib) ? readdirSync(lib).filter((name) => /^python3\.\d+$/.test(name)) : [];
  return versions.flatMap((version) =>
    ["site-packages", "dist-packages"].map((packages) => join(lib, version, packages)),
  );
}

/** Where `ditlab setup cuda` puts NVIDIA's wheels. */
export const setupFolder = (): string => cacheFolder("cuda");

/** Folders that are looked through, in this order, before the loader's own. */
export function placesOf({
  DITLAB_CUDA_PATH,
  VIRTUAL_ENV,
  CONDA_PREFIX,
  CUDA_HOME,
  CUDA_PATH,
}: NodeJS.ProcessEnv): string[] {
  const given = (DITLAB_CUDA_PATH ?? "").split(delimiter).filter(Boolean);
  const environments = [VIRTUAL_ENV, CONDA_PREFIX].flatMap((path) => (path ? sitePackages(path) : []));
  const toolkits = [CUDA_HOME, CUDA_PATH, "/usr/local/cuda"].filter((path) => path !== undefined);
  return [...given, setupFolder(), ...environments, ...toolkits];
}

/** What may be loaded for a library, best first: files that are there, then names for the loader to find. */
export function candidatesFor(
  name: LibraryName,
  driver: number,
  environment: NodeJS.ProcessEnv = process.env,
): string[] {
  const names = majorsFor(driver).flatMap((major) => fileNames(name, major));
  const files = placesOf(environment)
    .flatMap(foldersBelow)
    .flatMap((folder) => names.map((file) => join(folder, file)))
    .filter((file) => existsSync(file));
  return [...files, ...names];
}

/** The driver's library: it comes with the driver and nothing else. */
export function driverCandidates({ DITLAB_CUDA_PATH }: NodeJS.ProcessEnv = process.env): string[] {
  const file = isWindows ? "nvcuda.dll" : "libcuda.so.1";
  const given = (DITLAB_CUDA_PATH ?? "").split(delimiter).filter(Boolean);
  const there = [...given, "/usr/lib/wsl/lib"]
    .map((folder) => join(folder, file))
    .filter((path) => existsSync(path));
  return [...there, file];
}

/** The command that brings what is missing. */
export const SETUP = "npx ditlab setup cuda";
