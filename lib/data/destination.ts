/** A folder that preparation fills: what it is filled with, what is done, what was broken. */
import { rm } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import type { Communicator } from "../distributed/communicator.ts";
import { fingerprint } from "../fingerprint.ts";
import { exists, readBytes, writeAtomic } from "../io/files.ts";
import { contentsOf } from "../io/folders.ts";
import { SD_VAE } from "../vae/index.ts";
import { LABELS_FILE, type Source, type SourceFile } from "./sources.ts";

/** Of a folder of shards. */
export const INDEX = "index.json";
const DESCRIPTION_FILE = "prepare.json";
const BROKEN_FILE = "broken.json";

/** What a folder is filled with; a rerun must say the same. */
export type Description = Record<string, string | number | boolean>;

export interface BrokenImage {
  /** Position in the source's list, which is also the number that its output would have. */
  index: number;
  name: string;
  /** Why it was left out. */
  error: string;
}

export interface PrepareOptions {
  /** Those that fill the folder together, which all of them must see. */
  ranks?: Communicator;
  /** Stops after the images that are being worked on; a rerun goes on. */
  signal?: AbortSignal;
  /** Called with the number of images done, broken or found finished, of `total`. */
  onProgress?: (done: number, total: number) => void;
}

export interface PrepareResult {
  /** Images of the source. */
  count: number;
  /** Outputs written by this run. */
  written: number;
  /** Outputs found finished. */
  skipped: number;
  /** Images that could not be read, in order; none where the run was stopped before them. */
  broken: BrokenImage[];
  /** Images in the source of kinds that are not read, by name. */
  others: string[];
  /** False where the signal stopped the run. */
  finished: boolean;
}

/** One number for names and labels, in order. */
export const filesFingerprint = (files: readonly SourceFile[]): string =>
  fingerprint([JSON.stringify(files.map(({ name, label }) => [name, label]))], 16);

export const describeSource = (source: Source): Description => ({
  source: source.path,
  count: source.files.length,
  files: filesFingerprint(source.files),
});

/**
 * Claims a folder for `description`, or finds that it was claimed for the same.
 * @throws naming the folder and what differs when it holds something else, and when it lies inside the source.
 */
export async function claimDestination(destination: string, description: Description): Promise<void> {
  const inside = relative(String(description.source), resolve(destination));
  if (inside === "" || !(inside === ".." || inside.startsWith(`..${sep}`)))
    throw new Error(
      `${destination} lies inside its source ${description.source}; expected a folder outside of it`,
    );
  const found = await describedAs(destination);
  if (!found) {
    const [first] = await contentsOf(destination);
    if (first !== undefined)
      throw new Error(
        `${destination} is not empty and was not begun by 'ditlab prepare' (it holds ${first}, but no ${DESCRIPTION_FILE}); expected a new or empty folder`,
      );
    return writeAtomic(join(destination, DESCRIPTION_FILE), `${JSON.stringify(description, null, 2)}\n`);
  }
  for (const key of new Set([...Object.keys(description), ...Object.keys(found)])) {
    if (found[key] !== description[key])
      throw new Error(
        `${destination} was prepared with ${key} ${JSON.stringify(found[key])}, got ${JSON.stringify(description[key])}; expected the same, or another folder`,
      );
  }
}

/** What a folder has been claimed for, if it has. */
export async function describedAs(destination: string): Promise<Record<string, unknown> | undefined> {
  const path = join(destination, DESCRIPTION_FILE);
  return (await exists(path)) ? readJson(path) : undefined;
}

/**
 * Writes `dataset.json` with the outputs, of all images but the broken ones, and `broken.json`, which is removed where no image
 * is broken.
 * @param nameOf the output with a number
 */
export async function finishDestination(
  destination: string,
  { files }: Source,
  nameOf: (index: number) => string,
  broken: readonly BrokenImage[],
): Promise<void> {
  const path = join(destination, BROKEN_FILE);
  if (broken.length > 0) await writeAtomic(path, `${JSON.stringify(broken, null, 2)}\n`);
  else await rm(path, { force: true });
  const holes = new Set(broken.map(({ index }) => index));
  const labels = files.flatMap(({ label }, index) => (holes.has(index) ? [] : [[nameOf(index), label]]));
  const labelled = files.every(({ label }) => label !== null);
  await writeAtomic(join(destination, LABELS_FILE), JSON.stringify({ labels: labelled ? labels : null }));
}

/** @throws where a preparation of the folder has not come to its end. */
export async function checkFinished(folder: string): Promise<void> {
  const has = (name: string): Promise<boolean> => exists(join(folder, name));
  if ((await has(DESCRIPTION_FILE)) && !(await has(LABELS_FILE)) && !(await has(INDEX)))
    throw new Error(`${folder} is unfinished; run the 'ditlab prepare' that began it again`);
}

/** What the latents in a folder are multiplied by: as `prepareLatents` noted, or else Stable Diffusion's. */
export async function latentScale(folder: string): Promise<number> {
  const path = join(folder, DESCRIPTION_FILE);
  const { scale } = (await exists(path)) ? await readJson(path) : {};
  return typeof scale === "number" ? scale : SD_VAE.scale;
}

export async function readJson(path: string): Promise<Record<string, unknown>> {
  try {
    return JSON.parse(new TextDecoder().decode(await readBytes(path)));
  } catch (error) {
    throw error instanceof SyntaxError
      ? new Error(`${path} is not JSON: ${error.message}`, { cause: error })
      : error;
  }
}

/** `00012/img00012345.png` of number 12345: what EDM2's tools, and REPA's after them, call their files. */
export function numberedName(prefix: string, index: number, extension: string): string {
  const digits = String(index).padStart(8, "0");
  return `${digits.slice(0, 5)}/${prefix}${digits}.${extension}`;
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
