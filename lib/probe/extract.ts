/** What is taken of a network's blocks, compiled: batch by batch over images at one noise level. */
import { levelOf, type NoiseLevel } from "../diffusion/levels.ts";
import { makeProcess, type ProcessConfig } from "../diffusion/process.ts";
import { jit } from "../jit/index.ts";
import type { Condition, Network } from "../models/network.ts";
import type { Params } from "../tensor/params.ts";
import { randomStream, stackNormals } from "../tensor/random.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { disposeTree, tidyTree } from "../tensor/tree.ts";
import { type ImageReader, imageReader, type ProbedSet } from "./images.ts";

/** Which images, how noisy, and the seed of their noise, which for image i depends on `seed` and i alone. */
export type ProbedImages = {
  count: number;
  seed: number;
  /** Is told how many images are done. */
  onProgress?: (done: number) => void;
  /** Ends it between two batches by the signal's reason, thrown. */
  signal?: AbortSignal;
} & NoiseLevel;

/** Takes something out of a network; compiled once for all images and parameters. */
export interface Extractor<F> {
  /**
   * What the first `count` images have at one noise level, without class information: the condition is the null one.
   * Throws when a DiT is given a time, or a SiT a step.
   */
  extract(params: Params, images: ProbedSet, options: ProbedImages): Promise<F>;
  dispose(): Promise<void>;
}

/** Numbers [parts, count, ...] of images, and their classes. */
export interface Taken {
  values: Float32Array<ArrayBuffer>;
  labels: Int32Array<ArrayBuffer>;
}

/** Images at a time, or all where they are fewer. */
const LARGEST_BATCH = 100;
/** Bytes of a batch's largest activation. */
const ACTIVATION_BYTES = 2 ** 28;

const batchOf = ({ activation }: Network, count: number): number =>
  Math.max(1, Math.min(LARGEST_BATCH, count, Math.floor(ACTIVATION_BYTES / (4 * activation))));

/** Every block of a network, counted from 1. */
const allBlocks = ({ depth }: Network): number[] => Array.from({ length: depth }, (_, i) => i + 1);

/** The blocks that are asked for, every one by default. @throws where the network has no such block, or one comes twice */
export function blocksOf(network: Network, blocks: readonly number[] = allBlocks(network)): number[] {
  for (const block of blocks)
    if (!(Number.isInteger(block) && block >= 1 && block <= network.depth))
      throw new RangeError(`block must be an integer from 1 to the depth ${network.depth}, got ${block}`);
  if (blocks.length === 0 || new Set(blocks).size < blocks.length)
    throw new RangeError(`blocks must be one or more, each once, got [${blocks}]`);
  return [...blocks];
}

/** Opens what is probed. @throws where it has not that many images, or they do not fit the network */
export function openProbed(
  network: Network,
  config: ProcessConfig,
  images: ProbedSet,
  { count, ...level }: ProbedImages,
): { reader: ImageReader; t: number } {
  const t = levelOf(config, level);
  const reader = imageReader(images);
  if (!(Number.isInteger(count) && count >= 1 && count <= reader.count))
    throw new RangeError(`probe: count must be from 1 to ${reader.count}, got ${count}`);
  if (reader.shape.join() !== network.input.join())
    throw new RangeError(
      `probe: images are ${reader.shape.join("x")}, but the model expects ${network.input.join("x")}`,
    );
  return { reader, t };
}

/** Images `from` to `from + count - 1` at the number that a network takes for a noise level. */
interface Range {
  reader: ImageReader;
  t: number;
  seed: number;
  from: number;
  count: number;
  onBatch?: (done: number) => void;
  signal?: AbortSignal;
}

/** Compiles what is taken of blocks' tokens [batch, tokens, width], as numbers [parts, batch, ...]. */
export function compileTaps(
  network: Network,
  config: ProcessConfig,
  blocks: readonly number[],
  take: (tokens: readonly Tensor[]) => Tensor,
) {
  const process = makeProcess(config);
  const features = jit(
    (params: Params, x: Tensor, noise: Tensor, t: Tensor, condition: Condition): Tensor =>
      take(network.features(params, process.noised({ x, noise, t }), t, condition, { taps: blocks })),
    { name: "blockFeatures" },
  );

  /** Of a batch at images `first` and behind it, those behind the last one being the last one again. */
  async function ofBatch(params: Params, range: Range, first: number, size: number, batch: number) {
    const { reader, t, seed } = range;
    const { values, labels } = await reader.read(seed, first, size);
    const each = values.length / size;
    const filled = new Float32Array(batch * each);
    filled.set(values);
    for (let i = size; i < batch; i++) filled.set(values.subarray((size - 1) * each), i * each);
    const inputs = tidyTree(() => {
      const x = tf.tensor(filled, [batch, ...reader.shape]);
      const streams = Array.from({ length: batch }, (_, i) =>
        randomStream(seed, "probe", first + Math.min(i, size - 1)),
      );
      const noise = stackNormals(streams, x.shape.slice(1));
      return { x, noise, t: tf.fill([batch], t), nothing: network.nullCondition(batch, params) };
    });
    try {
      const taken = await features(params, inputs.x, inputs.noise, inputs.t, inputs.nothing);
      const values = (await taken.data()) as Float32Array;
      taken.dispose();
      return { values, labels, parts: taken.shape[0] };
    } finally {
      disposeTree(inputs);
    }
  }

  return {
    async extract(params: Params, range: Range): Promise<Taken> {
      const { from, count, onBatch, signal } = range;
      const batch = batchOf(network, count);
      const labels = new Int32Array(count);
      let result: Float32Array<ArrayBuffer> | undefined;
      for (let start = 0; start < count; start += batch) {
        signal?.throwIfAborted();
        const used = Math.min(batch, count - start);
        const taken = await ofBatch(params, range, from + start, used, batch);
        const size = taken.values.length / taken.parts / batch;
        result ??= new Float32Array(taken.parts * count * size);
        for (let part = 0; part < taken.parts; part++) {
          const at = part * batch * size;
          result.set(taken.values.subarray(at, at + used * size), (part * count + start) * size);
        }
        labels.set(taken.labels, start);
        onBatch?.(start + used);
      }
      return { values: result!, labels };
    },
    dispose: () => features.dispose(),
  };
}

/** An extractor of what is taken of blocks' tokens, in whatever form. */
export function extractorOf<F>(
  network: Network,
  config: ProcessConfig,
  blocks: readonly number[],
  take: (tokens: readonly Tensor[]) => Tensor,
  form: (taken: Taken, count: number) => F,
): Extractor<F> {
  const { extract, dispose } = compileTaps(network, config, blocks, take);
  return {
    dispose,
    async extract(params, images, options) {
      const opened = openProbed(network, config, images, options);
      const { count, seed, signal, onProgress } = options;
      return form(
        await extract(params, { ...opened, seed, from: 0, count, signal, onBatch: onProgress }),
        count,
      );
    },
  };
}

/** Average-pooled tokens of several blocks [blocks, batch, width]: what the paper probes. */
export const pooled = (tokens: readonly Tensor[]): Tensor => tf.stack(tokens.map((x) => tf.mean(x, 1)));
