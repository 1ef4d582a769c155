/** Features on disk: what was once taken of the same weights, images, noise and blocks is not computed again. */
import { join } from "node:path";
import type { ProcessConfig } from "../diffusion/process.ts";
import type { Communicator } from "../distributed/communicator.ts";
import { shareOut } from "../distributed/share.ts";
import { contentOfParams, digestOf, fingerprint } from "../fingerprint.ts";
import { cacheFolder } from "../home.ts";
import { keptName, noteUse, removeUnused } from "../io/kept.ts";
import { ndarray } from "../io/ndarray.ts";
import { openSafetensors, readSafetensors, writeSafetensors } from "../io/safetensors.ts";
import type { Network } from "../models/network.ts";
import type { Params } from "../tensor/params.ts";
import { blocksOf, compileTaps, type Extractor, openProbed, type ProbedImages, pooled } from "./extract.ts";
import type { ProbedSet } from "./images.ts";
import type { FeatureRows } from "./rows.ts";

/** Pooled features that lie in files, with the classes of their images. */
export interface StoredFeatures extends FeatureRows {
  readonly labels: Int32Array;
}

export interface CacheOptions {
  /** What the network computes beside its parameters, as plain data: of one of ours its config. */
  identity: unknown;
  /** Counted from 1. Default: every block. */
  blocks?: readonly number[];
  /** Default: `probes` in the cache folder, where what nobody has used for two weeks is removed. */
  folder?: string;
}

/** What `extract` is asked for. */
export interface ExtractRequest {
  params: Params;
  images: ProbedSet;
  options: ProbedImages;
}

export interface CachedExtractor extends Extractor<StoredFeatures> {
  /**
   * Has the files of all that `extract` will be asked for made by ranks together, in a folder that all of them see.
   * @param onProgress is told how many files there are, and how many are to be
   */
  share(
    asked: readonly ExtractRequest[],
    ranks: Communicator,
    onProgress?: (done: number, total: number) => void,
  ): Promise<void>;
}

const FORMAT = "ditlab-features/1";
/** Images of one file: what a run that is cut off loses at most. */
const PART = 2000;
/** Features that are kept in memory, too; of more, rows are read as they are needed. */
const MEMORY_BYTES = 2 ** 30;

/** One file: a block's features of some images. */
interface Part {
  path: string;
  /** What its features are of; its name. */
  key: string;
  /** The number of the first image. */
  from: number;
  count: number;
}

interface Kept {
  features: Float32Array;
  labels: Int32Array;
}

const checksum = (features: Float32Array, labels: Int32Array): string =>
  digestOf([features, labels]).toString("hex");

/** A file's features; nothing where it is missing, cut off, damaged or something else. */
async function readPart({ path, key, count }: Part, width: number): Promise<Kept | undefined> {
  const file = await readSafetensors(path).catch(() => undefined);
  if (file?.metadata.format !== FORMAT || file.metadata.key !== key) return undefined;
  const { features, labels } = file.tensors;
  const fits =
    features?.dtype === "float32" &&
    labels?.dtype === "int32" &&
    features.shape.join() === [count, width].join() &&
    labels.shape.join() === [count].join();
  if (!fits) return undefined;
  const kept = { features: features.data as Float32Array, labels: labels.data as Int32Array };
  return checksum(kept.features, kept.labels) === file.metadata.sha256 ? kept : undefined;
}

function writePart({ path, key, count }: Part, width: number, { features, labels }: Kept): Promise<void> {
  return writeSafetensors(
    path,
    {
      features: ndarray(features as Float32Array<ArrayBuffer>, [count, width]),
      labels: ndarray(labels as Int32Array<ArrayBuffer>, [count]),
    },
    { format: FORMAT, key, sha256: checksum(features, labels) },
  );
}

/** Rows of files, by part and block; of those in memory, from there. */
export function storedRows(
  { blocks, count, width }: Pick<FeatureRows, "blocks" | "count" | "width">,
  parts: readonly (readonly Pick<Part, "path">[])[],
  memory: readonly (readonly Float32Array[])[] | undefined,
): FeatureRows {
  return {
    ...{ blocks, count, width },
    async read(block, images, into) {
      const byPart = new Map<number, number[]>();
      for (let i = 0; i < images.length; i++) {
        const part = Math.floor(images[i] / PART);
        const places = byPart.get(part);
        if (places) places.push(i);
        else byPart.set(part, [i]);
      }
      for (const [part, places] of byPart) {
        const rows = places.map((i) => images[i] % PART);
        const found = memory
          ? { features: memory[part][block], rows }
          : { features: await readRows(parts[part][block], rows), rows: rows.map((_, i) => i) };
        for (const [n, place] of places.entries()) {
          const from = found.rows[n] * width;
          into.set(found.features.subarray(from, from + width), place * width);
        }
      }
    },
  };
}

async function readRows({ path }: Pick<Part, "path">, rows: readonly number[]): Promise<Float32Array> {
  const file = await openSafetensors(path);
  try {
    return (await file.readRows("features", rows)).data as Float32Array;
  } finally {
    await file.close();
  }
}

/**
 * A compiled extractor of average-pooled features of blocks that keeps them on disk, in files named by what they are of:
 * weights, network, process, noise level, seed, images and block. A file that is cut off, damaged or not ours is made anew.
 * Memory holds 1 GiB of features at most.
 * @throws where the network has no such block, or the images cannot tell what they are
 */
export function cachedExtractor(
  network: Network,
  config: ProcessConfig,
  { identity, blocks, folder }: CacheOptions,
): CachedExtractor {
  const chosen = blocksOf(network, blocks);
  const { width } = network;
  const { extract, dispose } = compileTaps(network, config, chosen, pooled);
  const tidied = folder === undefined ? removeUnused(cacheFolder("probes")) : undefined;
  const where = folder ?? cacheFolder("probes");
  const known = new WeakMap<Params, Promise<string>>();
  const weightsOf = (params: Params): Promise<string> => {
    const found = known.get(params) ?? contentOfParams(params).then((content) => fingerprint(content));
    known.set(params, found);
    return found;
  };

  /** The files of images' features, part by part, and how those of a part are read, or made where they are not there. */
  async function open(params: Params, images: ProbedSet, options: ProbedImages) {
    const { count, seed, signal, onProgress } = options;
    const { reader, t } = openProbed(network, config, images, options);
    await tidied;
    const data = await reader.fingerprint();
    if (data === undefined)
      throw new Error("probe: the images do not say what they are, so their features cannot be kept");
    const of = [FORMAT, identity, config, t, seed, data, reader.count, await weightsOf(params)];
    const parts = Array.from({ length: Math.ceil(count / PART) }, (_, i): Part[] => {
      const [from, size] = [i * PART, Math.min(PART, count - i * PART)];
      return chosen.map((block) => {
        const key = fingerprint([JSON.stringify([...of, from, size, block])]);
        return { key, path: join(where, keptName(key)), from, count: size };
      });
    });
    async function read(files: readonly Part[]): Promise<Kept[]> {
      signal?.throwIfAborted();
      const { from, count: size } = files[0];
      const kept = await Promise.all(files.map((part) => readPart(part, width)));
      await Promise.all(files.filter((_, i) => kept[i]).map(({ path }) => noteUse(path)));
      if (!kept.includes(undefined)) onProgress?.(from + size);
      else {
        const onBatch = (done: number): void => onProgress?.(from + done);
        const taken = await extract(params, { reader, t, seed, from, count: size, signal, onBatch });
        for (const [i, part] of files.entries()) {
          if (kept[i]) continue;
          const features = taken.values.subarray(i * size * width, (i + 1) * size * width);
          kept[i] = { features, labels: taken.labels };
          await writePart(part, width, kept[i]!);
        }
      }
      return kept as Kept[];
    }
    return { parts, read };
  }

  return {
    dispose,
    async share(asked, ranks, onProgress) {
      const reads: (() => Promise<Kept[]>)[] = [];
      for (const { params, images, options } of asked) {
        const { parts, read } = await open(params, images, options);
        reads.push(...parts.map((files) => () => read(files)));
      }
      let done = 0;
      for await (const _ of shareOut(reads, async (read) => void (await read()), ranks))
        onProgress?.(++done, reads.length);
    },
    async extract(params, images, options) {
      const { count } = options;
      const { parts, read } = await open(params, images, options);
      const labels = new Int32Array(count);
      const inMemory = 4 * chosen.length * count * width <= MEMORY_BYTES;
      const memory: Float32Array[][] = [];
      for (const files of parts) {
        const kept = await read(files);
        labels.set(kept[0].labels, files[0].from);
        if (inMemory) memory.push(kept.map(({ features }) => features));
      }
      const sizes = { blocks: chosen.length, count, width };
      return { ...storedRows(sizes, parts, inMemory ? memory : undefined), labels };
    },
  };
}
