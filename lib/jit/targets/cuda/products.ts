/**
 * Which of a library's algorithms a product takes: the one that it names first, or, where what is measured is kept on
 * disk, the fastest of several. The same choice gives the same bits: what is kept nowhere is not measured.
 */
import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fingerprint } from "../../../fingerprint.ts";
import { writeWhole } from "../../../whole.ts";
import { folderOf } from "../onnxruntime/cache.ts";
import {
  type Algorithm,
  type Product,
  type ProductKind,
  type ProductPlaces,
  type Products,
  WORKSPACE,
} from "./cublaslt.ts";
import type { CudaDevice } from "./device.ts";
import type { CudaBuffer } from "./memory.ts";

/** Algorithms that are timed of each product, and how often, in turns. */
const ALGORITHMS = 8;
const TURNS = 5;

const BYTES = { float32: 4, float16: 2, bfloat16: 2 } as const;

/** A product with its algorithm, shared by all launches of its kind. */
export interface ReadyProduct {
  run(places: ProductPlaces): void;
}

export interface ProductShelf {
  /** @throws where the library has no algorithm for a kind */
  get(kind: ProductKind, cache: boolean | string): Promise<ReadyProduct>;
}

/** What has been measured before; what is damaged is measured again. */
async function readMeasured(file: string): Promise<Record<string, string>> {
  try {
    const read: unknown = JSON.parse(await readFile(file, "utf8"));
    return typeof read === "object" && read !== null && !Array.isArray(read) ? { ...read } : {};
  } catch {
    return {};
  }
}

export function productShelf(device: CudaDevice, products: Products): ProductShelf {
  const { driver, stream, identity } = device;
  const ready = new Map<string, Promise<ReadyProduct>>();
  const measured = new Map<string, Promise<Record<string, string>>>();
  let workspace: CudaBuffer | undefined;
  /** One is timed at a time. */
  let turn: Promise<unknown> = Promise.resolve();

  const known = (file: string): Promise<Record<string, string>> => {
    const read = measured.get(file) ?? readMeasured(file);
    measured.set(file, read);
    return read;
  };

  async function algorithmOf(
    product: Product,
    kind: ProductKind,
    key: string,
    cache: boolean | string,
  ): Promise<Algorithm> {
    const all = product.algorithms(ALGORITHMS);
    const [first] = all;
    const { rows, columns, depth, batch } = kind;
    const folder = folderOf(cache);
    if (!folder || 2 * rows * columns * depth * batch < device.tuning.minFlops) return first;
    const file = join(folder, `${fingerprint([JSON.stringify([identity, products.version])])}.algorithms`);
    const best = await known(file);
    const isOffered = (algorithm: Algorithm): boolean =>
      Buffer.from(algorithm).toString("base64") === best[key];
    const kept = all.find(isOffered);
    if (kept) return kept;
    const fastest = await timed(product, kind, all);
    best[key] = Buffer.from(fastest).toString("base64");
    try {
      await mkdir(dirname(file), { recursive: true });
      await writeWhole(file, JSON.stringify(best));
    } catch {
      // Measured again by the next process.
    }
    return fastest;
  }

  /** The fastest of several, on memory of its own. */
  async function timed(product: Product, kind: ProductKind, all: readonly Algorithm[]): Promise<Algorithm> {
    const { rows, columns, depth, batch, factors, out } = kind;
    const sizes = [
      rows * depth * BYTES[factors],
      depth * columns * BYTES[factors],
      rows * columns * BYTES[out],
    ];
    const buffers: CudaBuffer[] = [];
    const events = [0, 0].map(() => driver.get("cuEventCreate", 0));
    const elapsed = new Float32Array(1);
    const best = all.map(() => Number.POSITIVE_INFINITY);
    try {
      for (const size of sizes) buffers.push(device.allocate(size * batch));
      // What an epilogue reads and writes beside is no larger than the result.
      if (kind.epilogue) buffers.push(device.allocate(sizes[2]), device.allocate(sizes[2]));
      const [a, b, result, vector, argument] = buffers.map(({ pointer }) => pointer);
      for (let turn = 0; turn < TURNS; turn++)
        for (const [i, algorithm] of all.entries()) {
          device.enter();
          driver.call("cuEventRecord", events[0], stream);
          product.run({ a, b, out: result, vector, argument }, algorithm, workspace!.pointer, stream);
          driver.call("cuEventRecord", events[1], stream);
          await device.reached(events[1]);
          driver.call("cuEventElapsedTime", elapsed, ...events);
          // The first turn meets a card that has rested.
          if (turn > 0) best[i] = Math.min(best[i], elapsed[0]);
        }
    } finally {
      for (const buffer of buffers) buffer.destroy();
      for (const event of events) driver.call("cuEventDestroy_v2", event);
    }
    return all[best.indexOf(Math.min(...best))];
  }

  return {
    get(kind, cache) {
      const key = JSON.stringify(kind, Object.keys(kind).sort());
      const make = async (): Promise<ReadyProduct> => {
        device.enter();
        workspace ??= device.allocate(WORKSPACE);
        const product = products.productOf(kind, workspace.pointer);
        const next = turn.then(() => algorithmOf(product, kind, key, cache));
        turn = next.catch(() => {});
        const algorithm = await next;
        return { run: (places) => product.run(places, algorithm, workspace!.pointer, stream) };
      };
      const made = ready.get(key) ?? make();
      ready.set(key, made);
      made.catch(() => ready.delete(key));
      return made;
    },
  };
}
