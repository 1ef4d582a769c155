/** Shards: many examples in few large files, which are streamed in order and shuffled in memory. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { openForReading, readExactly } from "../io/files.ts";
import { openSafetensors } from "../io/index.ts";
import { sizeOf } from "../tensor/params.ts";
import { randomStream, type Streams, streams01 } from "../tensor/random.ts";
import { checkPositive } from "./crop.ts";
import { INDEX, readJson } from "./destination.ts";
import type { Examples, TrainingData } from "./examples.ts";
import { contentHash, spread } from "./identity.ts";
import { writePlanes } from "./tensors.ts";

export const FORMAT = "ditlab-shards-1";
const MEMORY = 2 ** 30;

export type Stored = Uint8Array | Float32Array;

/** Of a folder of shards. */
export interface ShardIndex {
  format: typeof FORMAT;
  kind: "images" | "latents";
  /** Of one example: images `[H, W, 3]` as uint8, latents `[2 C, H, W]` (mean, standard deviation) as float32. */
  shape: number[];
  /** Of latents: what they are multiplied by for diffusion. */
  scale?: number;
  /** The largest label and one; 0 where there are none. */
  classes: number;
  shards: { name: string; count: number }[];
  /** The order in which they were packed, which says what image each example is; absent in shards of earlier versions. */
  order?: PackOrder;
  /** Shapes of one example's further arrays, float32 tensors `array.<name>`. */
  arrays?: Record<string, number[]>;
}

/** The random orders that examples are packed in, by name: the present one, and that of ditlab 0.1. */
const PACK_ORDERS = { stream: randomStream, "0.1": streams01 } as const;
export type PackOrder = keyof typeof PACK_ORDERS;

/** The source's number of the example at each place of the shards. */
export const packedOrder = (order: PackOrder, count: number): Uint32Array =>
  PACK_ORDERS[order](0, "pack", 0).permutation(count);

/** The tensor of a shard that holds an array. */
export const arrayTensor = (name: string): string => `array.${name}`;

export const isShards = (path: string): Promise<boolean> =>
  readFile(join(path, INDEX), "utf8").then(
    (text) => text.includes(FORMAT),
    () => false,
  );

/**
 * Opens a folder that `packShards` made. An epoch is a random order of shards, taken in windows that fit into half of
 * the memory; examples are shuffled within a window, while the next one is read.
 * @param memory bytes of shards held, at least two shards
 * @throws naming what is missing or does not fit.
 */
export async function openShards(folder: string, memory = MEMORY): Promise<TrainingData> {
  checkPositive("memory", memory);
  const index = await readIndex(join(folder, INDEX));
  const { kind, shape, shards, scale, classes, arrays = {} } = index;
  const size = sizeOf(shape);
  const beside = 4 * Object.values(arrays).reduce((sum, one) => sum + sizeOf(one), 0);
  const exampleBytes = size * (kind === "images" ? 1 : 4) + beside;
  const largest = Math.max(...shards.map(({ count }) => count)) * exampleBytes;
  const perWindow = Math.max(1, Math.floor(memory / 2 / largest));
  const count = shards.reduce((sum, shard) => sum + shard.count, 0);
  const packed = index.order && packedOrder(index.order, count);

  /** Where the windows of an epoch begin, and what they hold. */
  const plan = (seed: number, epoch: number, streams: Streams) => {
    const random = streams(seed, "epoch", epoch);
    const order = [...random.permutation(shards.length)];
    let start = epoch * count;
    return Array.from({ length: Math.ceil(order.length / perWindow) }, (_, i) => {
      const members = order.slice(i * perWindow, (i + 1) * perWindow);
      const examples = members.reduce((sum, shard) => sum + shards[shard].count, 0);
      const shuffle = random.integer(2 ** 31);
      const window = { seed, streams, start, end: start + examples, members, shuffle };
      start = window.end;
      return window;
    });
  };
  let planned:
    | { seed: number; epoch: number; streams: Streams; windows: ReturnType<typeof plan> }
    | undefined;
  const windowAt = (seed: number, position: number, streams: Streams) => {
    const epoch = Math.floor(position / count);
    if (planned?.seed !== seed || planned.epoch !== epoch || planned.streams !== streams)
      planned = { seed, epoch, streams, windows: plan(seed, epoch, streams) };
    return planned.windows.find(({ end }) => position < end)!;
  };

  type Window = ReturnType<typeof windowAt>;

  const load = async ({ members, seed, streams, shuffle }: Window) => {
    const parts: Shard[] = [];
    for (const member of members) parts.push(await readShard(folder, shards[member], index));
    const first = members.map((member) => shards.slice(0, member).reduce((sum, one) => sum + one.count, 0));
    const places = parts.flatMap(({ labels }, part) =>
      labels.map((_, i) => ({ part, i, index: packed?.[first[part] + i] ?? first[part] + i })),
    );
    return { parts, places, order: streams(seed, "window", shuffle).permutation(places.length) };
  };
  let held: { window: Window; content: ReturnType<typeof load> }[] = [];
  const isSameOrder = (a: Window, b: Window): boolean => a.seed === b.seed && a.streams === b.streams;
  const contentOf = (window: Window): ReturnType<typeof load> => {
    const found = held.find((one) => one.window.start === window.start && isSameOrder(one.window, window));
    if (found) return found.content;
    const content = load(window);
    // It may be read ahead, and never be asked for.
    content.catch(() => {});
    held.push({ window, content });
    return content;
  };

  return {
    name: folder,
    count,
    shape: kind === "images" ? [3, shape[0], shape[1]] : [shape[0] / 2, shape[1], shape[2]],
    ...(scale !== undefined && { scale }),
    classes,
    ...(!packed && { unnumbered: UNNUMBERED }),
    ...(index.arrays && { arrays }),
    async read(seed, position, amount, streams = randomStream): Promise<Examples> {
      const values = new Float32Array(amount * size);
      const further: Record<string, Float32Array> = Object.fromEntries(
        Object.entries(arrays).map(([name, one]) => [name, new Float32Array(amount * sizeOf(one))]),
      );
      const labels: number[] = [];
      const indices: number[] = [];
      let window = windowAt(seed, position, streams);
      while (labels.length < amount) {
        window = windowAt(seed, position + labels.length, streams);
        // What lies behind is let go; the next window may be here already.
        held = held.filter((one) => one.window.start >= window.start && isSameOrder(one.window, window));
        const { parts, places, order } = await contentOf(window);
        const end = Math.min(position + amount, window.end);
        for (let at = position + labels.length; at < end; at++) {
          const { part, i, index } = places[order[at - window.start]];
          const { data } = parts[part];
          const example = data.subarray(i * size, (i + 1) * size);
          if (example instanceof Uint8Array) writePlanes(values, labels.length * size, example, 3);
          else values.set(example, labels.length * size);
          for (const [name, rows] of Object.entries(parts[part].arrays)) {
            const length = sizeOf(arrays[name]);
            further[name].set(rows.subarray(i * length, (i + 1) * length), labels.length * length);
          }
          labels.push(parts[part].labels[i]);
          indices.push(index);
        }
      }
      contentOf(windowAt(seed, window.end, streams));
      return { values, labels, indices, ...(index.arrays && { arrays: further }) };
    },
    async fingerprint() {
      const samples = spread(shards.length).map((i) => endsOf(join(folder, shards[i].name)));
      // The order says nothing of the content, and shards of earlier versions get theirs later.
      const { order: _, ...content } = index;
      return contentHash([JSON.stringify(content), ...(await Promise.all(samples))]);
    },
    async close() {
      held = [];
    },
  };
}

const UNNUMBERED =
  "shards of an earlier version do not say which image an example is; run the 'ditlab prepare shards' that made them again, which adds that alone, or pack the array along into another folder with --array";

/** The first and last bytes of a file. */
async function endsOf(path: string, most = 2 ** 16): Promise<Uint8Array> {
  const handle = await openForReading(path);
  try {
    const { size } = await handle.stat();
    const length = Math.min(most, size);
    const [first, last] = [
      await readExactly(handle, path, 0, length),
      await readExactly(handle, path, size - length, length),
    ];
    return Buffer.concat([first, last]);
  } finally {
    await handle.close();
  }
}

interface Shard {
  data: Stored;
  labels: number[];
  arrays: Record<string, Float32Array>;
}

async function readShard(
  folder: string,
  { name, count }: ShardIndex["shards"][number],
  { kind, shape, classes, arrays: further = {} }: ShardIndex,
): Promise<Shard> {
  const path = join(folder, name);
  const file = await openSafetensors(path);
  const read = async (tensor: string, one: readonly number[]) => {
    const { data, shape: got } = await file.read(tensor);
    const expected = [count, ...one];
    if (got.join() !== expected.join())
      throw new Error(
        `${tensor} of ${path} is [${got.join(", ")}], expected [${expected.join(", ")}] by ${INDEX}`,
      );
    return data;
  };
  try {
    const data = (await read(kind === "images" ? "images" : "moments", shape)) as Stored;
    const arrays: Record<string, Float32Array> = {};
    for (const [array, one] of Object.entries(further))
      arrays[array] = (await read(arrayTensor(array), one)) as Float32Array;
    if (classes === 0) return { data, labels: new Array(count).fill(0), arrays };
    const labels = (await file.read("labels")).data as Int32Array;
    const wrong = labels.findIndex((label) => !(label >= 0 && label < classes));
    if (labels.length !== count || wrong >= 0)
      throw new Error(
        `${path} needs ${count} labels from 0 to ${classes - 1}, got ${labels[wrong] ?? labels.length}`,
      );
    return { data, labels: [...labels], arrays };
  } finally {
    await file.close();
  }
}

async function readIndex(path: string): Promise<ShardIndex> {
  const index = (await readJson(path)) as unknown as ShardIndex;
  const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) > 0;
  const fits =
    index.format === FORMAT &&
    (index.kind === "images" || index.kind === "latents") &&
    Array.isArray(index.shape) &&
    index.shape.length === 3 &&
    index.shape.every(isCount) &&
    (index.kind === "images" ? index.shape[2] === 3 : index.shape[0] % 2 === 0) &&
    (index.kind === "images" || typeof index.scale === "number") &&
    (index.classes === 0 || isCount(index.classes)) &&
    Array.isArray(index.shards) &&
    index.shards.length > 0 &&
    (index.order === undefined || Object.hasOwn(PACK_ORDERS, index.order)) &&
    Object.values(index.arrays ?? {}).every((one) => Array.isArray(one) && one.every(isCount)) &&
    index.shards.every((shard) => /^shard-\d+\.safetensors$/.test(shard?.name) && isCount(shard.count));
  if (!fits) throw new Error(`${path} is no index of shards as 'ditlab prepare shards' writes it`);
  return index;
}
