/** NVIDIA's libraries for a setup: those that are there, and those that pip fetches. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import {
  candidatesFor,
  fileNames,
  foldersBelow,
  type LibraryName,
  sitePackages,
} from "../../jit/targets/cuda/libraries.ts";
import { setupFolder } from "../../jit/targets/cuda/manifest.ts";
import { bringWheels, type Wheels } from "../setup-pip.ts";
import type { RunOptions } from "../setup-processes.ts";

/** Files of one version of CUDA. */
export interface Found {
  major: number;
  nvrtc: string;
  cublasLt?: string;
}

/** The first of a library's files below some folders. */
function fileBelow(places: readonly string[], name: LibraryName, major: number): string | undefined {
  return places
    .flatMap(foldersBelow)
    .flatMap((folder) => fileNames(name, major).map((file) => join(folder, file)))
    .find((file) => existsSync(file));
}

/** What a folder holds: a toolkit, a Python environment or its packages, the libraries. @throws naming what was expected */
export function foundBelow(given: string, majors: readonly number[]): Found {
  const from = resolve(given);
  const places = [from, ...sitePackages(from)];
  for (const major of majors) {
    const nvrtc = fileBelow(places, "nvrtc", major);
    if (nvrtc !== undefined) return { major, nvrtc, cublasLt: fileBelow(places, "cublasLt", major) };
  }
  const names = majors.flatMap((major) => fileNames("nvrtc", major));
  throw new Error(
    `${from} holds no ${names.join(" or ")}; expected CUDA's toolkit, a Python environment with NVIDIA's wheels, or the folder of the libraries`,
  );
}

/** Both libraries, where they are in a place that is looked through anyway. */
export function foundHere(driver: number, majors: readonly number[]): Found | undefined {
  const own = setupFolder();
  const isThere = (file: string): boolean => !file.startsWith(own) && existsSync(file);
  for (const major of majors) {
    const [nvrtc, cublasLt] = (["nvrtc", "cublasLt"] as const).map((name) =>
      candidatesFor(name, driver)
        .filter(isThere)
        .find((file) => fileNames(name, major).some((end) => file.endsWith(end))),
    );
    if (nvrtc !== undefined && cublasLt !== undefined) return { major, nvrtc, cublasLt };
  }
  return undefined;
}

/** NVIDIA's wheels of a version: those of 13 have no number in their names. */
export function requirements(major: number, hasProducts: boolean): string[] {
  const names = ["nvidia-cuda-nvrtc", ...(hasProducts ? ["nvidia-cublas"] : [])];
  return names.map((name) => `${name}${major < 13 ? `-cu${major}` : ""}>=${major},<${major + 1}`);
}

/** What pip fetches, and what is kept of it. */
export function sizeText(major: number, hasProducts: boolean): string {
  if (!hasProducts) return "0.1 GB, as much unpacked";
  return major < 13 ? "0.7 GB, 0.9 GB unpacked" : "0.5 GB, 0.7 GB unpacked";
}

const WHEELS: Wheels = {
  isKept: (name) =>
    /^nvidia\/.*\/lib(nvrtc|nvrtc-builtins|cublasLt)\.so\.[\d.]+$/.test(name) ||
    /\.dist-info\/(METADATA|(licenses\/)?License\.txt)$/.test(name),
  versions: [[]],
  instead: "--from with the folder of CUDA's toolkit or of a Python environment that has NVIDIA's wheels",
};

/** Fetches NVIDIA's wheels into a folder. */
export async function fetchWheels(
  major: number,
  hasProducts: boolean,
  folder: string,
  options: RunOptions,
): Promise<void> {
  await bringWheels(requirements(major, hasProducts), folder, WHEELS, options);
}
