/**
 * What `ditlab setup cuda` has found or fetched: which files NVIDIA's libraries are. It is read wherever CUDA is opened, so
 * whether it holds is told by sizes and times; their content is compared by the command.
 */
import { createHash } from "node:crypto";
import { createReadStream, readFileSync, statSync } from "node:fs";
import { cacheFolder } from "../../../home.ts";

const FORMAT = "ditlab-cuda/1";

/** The compiler of kernels, and matrix products. */
export type LibraryName = "nvrtc" | "cublasLt";

/** A file as it was. */
export interface LibraryFile {
  file: string;
  bytes: number;
  /** Milliseconds, as the file system has it. */
  modified: number;
  sha256: string;
}

export interface Manifest {
  /** The version of CUDA that they belong to. */
  major: number;
  /** Whether they were fetched for this, and go with it. */
  isOurs: boolean;
  /** `cublasLt` may be missing. */
  libraries: Partial<Record<LibraryName, LibraryFile>>;
  /** What they load themselves. */
  others: LibraryFile[];
}

/** The folder of all that `ditlab setup cuda` makes; nothing else lies in it. */
export const setupFolder = (...parts: string[]): string => cacheFolder("cuda", ...parts);
export const manifestFile = (): string => setupFolder("setup.json");

export const manifestText = (manifest: Manifest): string =>
  `${JSON.stringify({ format: FORMAT, ...manifest }, null, 2)}\n`;

/** What is recorded in a file; nothing where there is none. @throws where it is something else */
export function readManifest(file = manifestFile()): Manifest | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
  let value: (Partial<Manifest> & { format?: string }) | null = null;
  try {
    value = JSON.parse(text);
  } catch {}
  const isFile = (one?: Partial<LibraryFile>): boolean =>
    typeof one?.file === "string" && typeof one.sha256 === "string";
  const fits =
    value?.format === FORMAT &&
    typeof value.major === "number" &&
    isFile(value.libraries?.nvrtc) &&
    [value.libraries?.cublasLt ?? value.libraries?.nvrtc, ...(value.others ?? [])].every(isFile);
  if (!fits) throw new Error(`${file} is no record of CUDA's libraries (${FORMAT})`);
  return value as Manifest;
}

/** All files that are recorded. */
export const filesOf = ({ libraries, others }: Manifest): LibraryFile[] => [
  ...Object.values(libraries),
  ...others,
];

/** Size and time of a file; nothing where there is none. */
export function stateOf(file: string): { bytes: number; modified: number } | undefined {
  try {
    const { size, mtimeMs } = statSync(file);
    return { bytes: size, modified: Math.round(mtimeMs) };
  } catch {
    return undefined;
  }
}

/** What no longer holds of it, as far as can be told without reading half a gigabyte. */
export function brokenPart(manifest: Manifest): string | undefined {
  for (const { file, bytes, modified } of filesOf(manifest)) {
    const now = stateOf(file);
    if (!now) return `${file}, which CUDA was set up with, is gone`;
    if (now.bytes !== bytes || now.modified !== modified)
      return `${file} is no longer the file that CUDA was set up with`;
  }
  return undefined;
}

/** SHA-256 of a file, however large. */
export async function hashOfFile(file: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20, signal })) hash.update(chunk);
  return hash.digest("hex");
}

/** What no longer holds of it, every byte looked at. */
export async function changedPart(manifest: Manifest): Promise<string | undefined> {
  const broken = brokenPart(manifest);
  if (broken !== undefined) return broken;
  for (const { file, sha256 } of filesOf(manifest))
    if ((await hashOfFile(file)) !== sha256) return `${file} has other bytes than CUDA was set up with`;
  return undefined;
}

/** The file of a library, where the setup holds and a driver of some versions can run it. */
export function recordedFile(name: LibraryName, majors: readonly number[]): string | undefined {
  try {
    const manifest = readManifest();
    if (!manifest || !majors.includes(manifest.major) || brokenPart(manifest) !== undefined) return undefined;
    return manifest.libraries[name]?.file;
  } catch {
    // `ditlab devices` says so.
    return undefined;
  }
}
