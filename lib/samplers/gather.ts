/** Many samples into one file, batch by batch: what was made before a run was cut off is not made again. */
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
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

const partName = (first: number): string => `${String(first).padStart(8, "0")}.npy`;

/**
 * Makes samples and writes them to `path`, an .npz with the key `arr_0`. Until all are there, batches are kept in the
 * folder `<path>.parts`, from which a later call with the same `run` goes on.
 * @throws naming the folder, when it holds the batches of another run.
 */
export async function gatherSamples(
  path: string,
  { run, count, batchSize, make, onProgress }: GatherOptions,
): Promise<void> {
  const folder = `${path}.parts`;
  const present = await begin(folder, { ...run, count, batchSize });
  const firsts = Array.from({ length: Math.ceil(count / batchSize) }, (_, i) => i * batchSize);
  for (const first of firsts) {
    const size = Math.min(batchSize, count - first);
    if (!present.has(partName(first)))
      await writeAtomic(join(folder, partName(first)), formatNpy(await make(first, size)));
    onProgress?.(first + size, count);
  }
  const read = async (first: number): Promise<NdArray<"uint8" | "float32">> => {
    const file = join(folder, partName(first));
    return parseNpy(await readBytes(file), file) as NdArray<"uint8" | "float32">;
  };
  const { dtype, shape } = await read(0);
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (const first of firsts) yield toBytes(await read(first));
  }
  await writeNpzStream(path, { arr_0: { dtype, shape: [count, ...shape.slice(1)], pieces: pieces() } });
  await rm(folder, { recursive: true });
}

/** The batches of this run that are there already. */
async function begin(folder: string, run: Record<string, unknown>): Promise<Set<string>> {
  const description = `${JSON.stringify(run, null, 2)}\n`;
  const file = join(folder, "run.json");
  const before = await readFile(file, "utf8").catch(() => undefined);
  if (before === undefined) {
    await writeAtomic(file, description);
    return new Set();
  }
  if (before !== description) {
    throw new Error(
      `${folder} holds batches of a run with other options (see ${file}); delete it, or write to another file`,
    );
  }
  return new Set((await readdir(folder)).filter((name) => name.endsWith(".npy")));
}
