/** Wheels from Python's registry, by pip: of each what a program in C needs. */
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { writeStreamAtomic } from "../io/files.ts";
import { openZip } from "../io/zip.ts";
import { isMissing, type RunOptions, run } from "./setup-processes.ts";

/** Programs that may be the Python in use: the active environment's first. */
export function pythons(): string[] {
  const { VIRTUAL_ENV, CONDA_PREFIX } = process.env;
  const active = [VIRTUAL_ENV, CONDA_PREFIX].flatMap((folder) => (folder ? join(folder, "bin/python") : []));
  return [...active.filter((file) => existsSync(file)), "python3"];
}

/** What is fetched. */
export interface Wheels {
  /** Whether a file of a wheel is kept. */
  isKept(name: string): boolean;
  /** Arguments to try, one after the other. */
  readonly versions: readonly (readonly string[])[];
  /** What helps where pip does not. */
  readonly instead: string;
}

/** Unpacks what is kept of a wheel. */
async function unpack(
  file: string,
  folder: string,
  isKept: (name: string) => boolean,
  signal?: AbortSignal,
): Promise<void> {
  const zip = await openZip(file, "a wheel");
  try {
    const folders = new Set<string>();
    for (const name of zip.sizes.keys()) {
      if (!isKept(name) || name.endsWith("/")) continue;
      signal?.throwIfAborted();
      const path = join(folder, name);
      if (!folders.has(dirname(path))) await mkdir(dirname(path), { recursive: true });
      folders.add(dirname(path));
      const stream = await zip.stream(name);
      await writeStreamAtomic(path, () => stream);
      if (/^nvidia\/.*\/bin\//.test(name)) await chmod(path, 0o755);
    }
  } finally {
    await zip.close();
  }
}

/** pip's words on a failure are many, and the last is often about pip itself. */
async function download(
  wanted: readonly string[],
  folder: string,
  { versions, instead }: Wheels,
  options: RunOptions,
): Promise<void> {
  const args = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"];
  args.push("--only-binary=:all:", "--dest", folder);
  let reason = "there is no python3";
  for (const python of pythons())
    for (const version of versions)
      try {
        await run(python, [...args, ...version, ...wanted], options);
        return;
      } catch (error) {
        options.signal?.throwIfAborted();
        if (isMissing(error)) break;
        reason = (error as Error).message;
      }
  throw new Error(`pip cannot fetch ${wanted.join(" ")}: ${reason}; expected Python with pip, or ${instead}`);
}

/** Downloads wheels and unpacks them into a folder. */
export async function bringWheels(
  wanted: readonly string[],
  folder: string,
  wheels: Wheels,
  options: RunOptions,
): Promise<void> {
  const at = `${folder}.download`;
  await mkdir(at, { recursive: true });
  try {
    await download(wanted, at, wheels, options);
    for (const name of await readdir(at)) await unpack(join(at, name), folder, wheels.isKept, options.signal);
  } finally {
    await rm(at, { recursive: true, force: true });
  }
}
