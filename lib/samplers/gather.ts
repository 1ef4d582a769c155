/** Many samples into one file, batch by batch: what was made before a run was cut off is not made again. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { QUEUE_FILE } from "../distributed/queue/shared-folder.ts";
import { checkEmpty, removeIfEmpty, removeMade } from "../io/folders.ts";
import {
  formatNpy,
  type NdArray,
  parseNpy,
  readBytes,
  toBytes,
  writeAtomic,
  writeNpzStream,
} from "../io/index.ts";

export interface GatherOptions {
  /** What decides the samples, as plain values: a run with another one does not go on from this one's. */
  run: Record<string, unknown>;
  count: number;
  batchSize: number;
  /** Samples number `first` to `first + count - 1`, along the first axis; uint8 images or float32 latents. */
  make(first: number, count: number): Promise<NdArray<"uint8" | "float32">>;
  /** Has the parts that are missing, if any, made by others, who write them with `writePart`. Default: they are made here. */
  distribute?(folder: string, missing: readonly GatherPart[]): Promise<void>;
  /** Called with the samples that exist. */
  onProgress?: (done: number, total: number) => void;
}

/** A batch, as a file in the folder of parts. */
export interface GatherPart {
  readonly file: string;
  readonly first: number;
  readonly count: number;
}

const RUN_FILE = "run.json";
/** The names of all parts, in a manifest's form. */
const PARTS = "*.npy";

/** The part of so many samples from `first` on. */
export const partAt = (first: number, count: number): GatherPart => ({
  file: `${String(first).padStart(8, "0")}.npy`,
  first,
  count,
});

/** Where the parts of a file lie until all are there. */
export const partsFolder = (path: string): string => `${path}.parts`;

type Samples = NdArray<"uint8" | "float32">;

const readPart = async (path: string): Promise<Samples> => parseNpy(await readBytes(path), path) as Samples;

/** Writes a part of samples into its folder. */
export const writePart = (folder: string, { file }: GatherPart, samples: Samples): Promise<void> =>
  writeAtomic(join(folder, file), formatNpy(samples));

/** The first `count` samples of a part. */
const firstOf = ({ dtype, shape, data }: Samples, count: number): Samples =>
  ({
    dtype,
    shape: [count, ...shape.slice(1)],
    data: data.subarray(0, (data.length / shape[0]) * count),
  }) as Samples;

/**
 * Makes samples and writes them to `path`, an .npz with the key `arr_0`. Until all are there, batches are kept in the
 * folder `<path>.parts`, from which a later call with the same `run` goes on, also with another count.
 * @throws naming the folder, and what differs, when it holds the batches of another run.
 */
export async function gatherSamples(
  path: string,
  { run, count, batchSize, make, distribute, onProgress }: GatherOptions,
): Promise<void> {
  const folder = partsFolder(path);
  await claimParts(folder, { run, batchSize });
  const parts = Array.from({ length: Math.ceil(count / batchSize) }, (_, i): GatherPart => {
    const first = i * batchSize;
    return partAt(first, Math.min(batchSize, count - first));
  });
  const fileOf = ({ file }: GatherPart): string => join(folder, file);
  /** A part that ended an earlier, smaller count is too short. */
  const isThere = async (part: GatherPart): Promise<boolean> => {
    const found = await readPart(fileOf(part)).catch(() => undefined);
    return found !== undefined && found.shape[0] >= part.count;
  };
  if (distribute) {
    const missing: GatherPart[] = [];
    for (const part of parts) if (!(await isThere(part))) missing.push(part);
    await distribute(folder, missing);
  }
  for (const part of parts) {
    if (!(await isThere(part))) await writePart(folder, part, await make(part.first, part.count));
    onProgress?.(part.first + part.count, count);
  }
  const { dtype, shape } = await readPart(fileOf(parts[0]));
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (const part of parts) yield toBytes(firstOf(await readPart(fileOf(part)), part.count));
  }
  await writeNpzStream(path, { arr_0: { dtype, shape: [count, ...shape.slice(1)], pieces: pieces() } });
  await removeMade(folder, { makes: [RUN_FILE, PARTS, QUEUE_FILE] });
  await removeIfEmpty(folder);
}

/** Claims the folder of parts for a run, or finds that it was claimed for the same. @throws naming what differs */
export async function claimParts(
  folder: string,
  { run: asked, batchSize }: Pick<GatherOptions, "run" | "batchSize">,
): Promise<void> {
  const run: Record<string, unknown> = { ...asked, batchSize };
  const file = join(folder, RUN_FILE);
  const before = await readFile(file, "utf8").catch(() => undefined);
  if (before === undefined) {
    await checkEmpty(folder, "unfinished samples");
    await writeAtomic(file, `${JSON.stringify(run, null, 2)}\n`);
    return;
  }
  const found: Record<string, unknown> = JSON.parse(before);
  const shown = (value: unknown): string => JSON.stringify(value) ?? "none";
  const differs = [...new Set([...Object.keys(found), ...Object.keys(run)])]
    // What is undefined here was left out there.
    .filter((name) => shown(found[name]) !== shown(run[name]))
    .map((name) => `${name} was ${shown(found[name])}, got ${shown(run[name])}`);
  if (differs.length > 0)
    throw new Error(
      `${folder} holds batches of a run with other options: ${differs.join("; ")}; delete it, or write to another file`,
    );
}
