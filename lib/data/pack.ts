/** Many small files packed into few large ones. */

import { join } from "node:path";
import pMap from "p-map";
import type { Part } from "../distributed/share.ts";
import { exists } from "../io/files.ts";
import { elementCount, type NdArray, ndarray, writeAtomic, writeSafetensors } from "../io/index.ts";
import type { ArrayRows } from "../io/npy-rows.ts";
import { checkRows, closeArrays, contentOfArrays, openArrays } from "./arrays.ts";
import { checkPositive, decodeImage } from "./crop.ts";
import {
  describedAs,
  describeSource,
  INDEX,
  latentScale,
  messageOf,
  type PrepareOptions,
  type PrepareResult,
} from "./destination.ts";
import { parseMoments } from "./latents.ts";
import { allExist, type Preparation, runPreparation } from "./preparation.ts";
import { arrayTensor, FORMAT, type PackOrder, packedOrder, type ShardIndex, type Stored } from "./shards.ts";
import { EXAMPLE_NAME, openSource, type Source } from "./sources.ts";

/** A shard's size unless another number of examples is asked for. */
const SHARD_BYTES = 2 ** 27;
/** Files read at a time. */
const CONCURRENCY = 16;

export interface PackOptions extends PrepareOptions {
  /** Examples in a shard; as many as make 128 MiB by default. */
  shardSize?: number;
  /** `.npy` files [files, ...] by name, whose row i goes along with file i of the source, in the order of names. */
  arrays?: Readonly<Record<string, string>>;
}

/**
 * Packs images of one size, or latents, into safetensors files (`images` or `moments`, and `labels`) with an
 * `index.json`, in one random order: shards of neighbours would hold few classes. A rerun goes on where the last one
 * stopped.
 * @throws as `openSource` does; naming the file that cannot be read or differs in shape; when the destination holds
 * something else.
 */
export async function packShards(
  sourcePath: string,
  destination: string,
  { shardSize, arrays, ...options }: PackOptions = {},
): Promise<PrepareResult> {
  return runPreparation(
    destination,
    await openPacking(sourcePath, destination, { shardSize, arrays }),
    options,
  );
}

/** What `packShards` does, in parts. */
export async function openPacking(
  sourcePath: string,
  destination: string,
  { shardSize, arrays: paths = {} }: Pick<PackOptions, "shardSize" | "arrays">,
): Promise<Preparation> {
  const source = await openSource(sourcePath, EXAMPLE_NAME);
  let arrays: Awaited<ReturnType<typeof openArrays>> = {};
  const close = async (): Promise<void> => {
    await closeArrays(arrays);
    await source.close();
  };
  try {
    arrays = await openArrays(paths);
    checkRows(arrays, source.path, source.files.length);
    return { ...(await packingOf(source, arrays, destination, shardSize)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** How the examples of a source are packed along with arrays. */
async function packingOf(
  source: Source,
  arrays: Readonly<Record<string, ArrayRows>>,
  destination: string,
  shardSize: number | undefined,
): Promise<Omit<Preparation, "close">> {
  const { files } = source;
  const kind = files[0].name.toLowerCase().endsWith(".npy") ? "latents" : "images";
  const { shape, data } = await readExample(source, files[0].name, kind);
  const shapes = Object.fromEntries(Object.entries(arrays).map(([name, rows]) => [name, [...rows.shape]]));
  const beside = Object.values(shapes).reduce((sum, one) => sum + 4 * elementCount(one), 0);
  const perShard = shardSize ?? Math.max(1, Math.floor(SHARD_BYTES / (data.byteLength + beside)));
  checkPositive("shardSize", perShard);
  // A folder that ditlab 0.1 began says nothing of its order, and is gone on with in that one.
  const begun = await describedAs(destination);
  const named: PackOrder = begun && begun.order === undefined ? "0.1" : "stream";
  const order = packedOrder(named, files.length);
  const labelled = files.every(({ label }) => label !== null);
  const shards = Array.from({ length: Math.ceil(files.length / perShard) }, (_, i) => ({
    name: `shard-${String(i).padStart(5, "0")}.safetensors`,
    count: Math.min(perShard, files.length - i * perShard),
  }));
  /** The shards of a part, each with the place of its first example. */
  const shardsOf = ({ from, count }: Part) =>
    shards
      .slice(from / perShard, Math.ceil((from + count) / perShard))
      .map((shard, i) => ({ ...shard, path: join(destination, shard.name), from: from + i * perShard }));

  async function writeShard({ path, from, count }: ReturnType<typeof shardsOf>[number]): Promise<void> {
    const all = new (kind === "images" ? Uint8Array : Float32Array)(count * data.length);
    const indices = [...order.subarray(from, from + count)];
    const place = async (index: number, n: number): Promise<void> => {
      const example = await readExample(source, files[index].name, kind);
      if (example.shape.join() !== shape.join())
        throw new Error(
          `${files[index].name} of ${source.path} is [${example.shape.join(", ")}], expected [${shape.join(", ")}] as ${files[0].name}`,
        );
      all.set(example.data, n * data.length);
    };
    await pMap(indices, place, { concurrency: CONCURRENCY });
    const labels = Int32Array.from(indices, (index) => files[index].label ?? 0);
    await writeSafetensors(path, {
      [kind === "images" ? "images" : "moments"]: ndarray(all, [count, ...shape]),
      ...(labelled && { labels: ndarray(labels, [count]) }),
      ...(await rowsOf(arrays, indices)),
    });
  }

  return {
    source,
    description: {
      kind: "shards",
      content: kind,
      ...describeSource(source),
      shardSize: perShard,
      ...(await describeArrays(arrays)),
      ...(named !== "0.1" && { order: named }),
    },
    total: files.length,
    cut: { unit: perShard, most: perShard },
    async make(part, { signal, onProgress }) {
      let [written, skipped] = [0, 0];
      for (const shard of shardsOf(part)) {
        if (signal?.aborted) break;
        if (await exists(shard.path)) skipped += shard.count;
        else {
          await writeShard(shard);
          written += shard.count;
        }
        onProgress?.(written + skipped);
      }
      return { written, skipped, broken: [], stopped: signal?.aborted ?? false };
    },
    isDone: (part) => allExist(shardsOf(part).map(({ path }) => path)),
    async finish() {
      const index: ShardIndex = {
        format: FORMAT,
        kind,
        shape: [...shape],
        ...(kind === "latents" && { scale: await latentScale(source.path) }),
        classes: labelled ? files.reduce((most, { label }) => Math.max(most, label! + 1), 0) : 0,
        shards,
        order: named,
        ...(Object.keys(shapes).length > 0 && { arrays: shapes }),
      };
      await writeAtomic(join(destination, INDEX), `${JSON.stringify(index, null, 2)}\n`);
    },
  };
}

/** What a folder notes of arrays, a line for each: another file's rows are not to be packed beside those of the first. */
async function describeArrays(arrays: Readonly<Record<string, ArrayRows>>): Promise<Record<string, string>> {
  const contents = await contentOfArrays(arrays);
  return Object.fromEntries(
    Object.entries(arrays).map(([name, { shape }]) => [`array ${name}`, `[${shape}] ${contents[name]}`]),
  );
}

/** The rows of some files as a shard's tensors. */
async function rowsOf(
  arrays: Readonly<Record<string, ArrayRows>>,
  indices: readonly number[],
): Promise<Record<string, NdArray<"float32">>> {
  const tensors: Record<string, NdArray<"float32">> = {};
  for (const [name, rows] of Object.entries(arrays))
    tensors[arrayTensor(name)] = ndarray(await rows.read(indices), [indices.length, ...rows.shape]);
  return tensors;
}

async function readExample(
  source: Source,
  name: string,
  kind: ShardIndex["kind"],
): Promise<{ data: Stored; shape: readonly number[] }> {
  try {
    const bytes = await source.read(name);
    if (kind === "latents") return parseMoments(bytes, name);
    const { data, width, height } = await decodeImage(bytes);
    return { data, shape: [height, width, 3] };
  } catch (error) {
    throw new Error(`Cannot read ${name} of ${source.path}: ${messageOf(error)}`, { cause: error });
  }
}
