/** Many samples into one file, batch by batch: what was made before a run was cut off is not made again. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
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
  /** Called with the samples that exist. */
  onProgress?: (done: number, total: number) => void;
}

const RUN_FILE = "run.json";
/** The names of all parts, in a manifest's form. */
const PARTS = "*.npy";
const partName = (first: number): string => `${String(first).padStart(8, "0")}.npy`;

type Samples = NdArray<"uint8" | "float32">;

const readPart = async (path: string): Promise<Samples> => parseNpy(await readBytes(path), path) as Samples;

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
  { run, count, batchSize, make, onProgress }: GatherOptions,
): Promise<void> {
  const folder = `${path}.parts`;
  await begin(folder, { ...run, batchSize });
  const firsts = Array.from({ length: Math.ceil(count / batchSize) }, (_, i) => i * batchSize);
  const sizeAt = (first: number): number => Math.min(batchSize, count - first);
  const fileOf = (first: number): string => join(folder, partName(first));
  for (const first of firsts) {
    // A part that ended an earlier, smaller count is too short.
    const found = await readPart(fileOf(first)).catch(() => undefined);
    if (!found || found.shape[0] < sizeAt(first))
      await writeAtomic(fileOf(first), formatNpy(await make(first, sizeAt(first))));
    onProgress?.(first + sizeAt(first), count);
  }
  const { dtype, shape } = await readPart(fileOf(0));
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (const first of firsts) yield toBytes(firstOf(await readPart(fileOf(first)), sizeAt(first)));
  }
  await writeNpzStream(path, { arr_0: { dtype, shape: [count, ...shape.slice(1)], pieces: pieces() } });
  await removeMade(folder, { makes: [RUN_FILE, PARTS] });
  await removeIfEmpty(folder);
}

/** Claims the folder for a run, or finds that it was claimed for the same. */
async function begin(folder: string, run: Record<string, unknown>): Promise<void> {
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
