/** Features of a network's blocks at one noise level: what probes, similarities and pictures are made of. */
import { type ImageSet, imageTensor } from "../data/index.ts";
import { levelOf, type NoiseLevel } from "../diffusion/levels.ts";
import { makeProcess, type ProcessConfig } from "../diffusion/process.ts";
import { jit } from "../jit/index.ts";
import type { Condition, Network } from "../models/network.ts";
import type { Params } from "../tensor/params.ts";
import { randomStream, stackNormals } from "../tensor/random.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { disposeTree, tidyTree } from "../tensor/tree.ts";

/** Pooled features of every block: [blocks, count, width], block 1 first. */
export interface BlockFeatures {
  data: Float32Array<ArrayBuffer>;
  blocks: number;
  count: number;
  width: number;
}

/** Features of every token after one block: [count, tokens, width], tokens row by row over the image. */
export interface TokenFeatures {
  data: Float32Array<ArrayBuffer>;
  count: number;
  tokens: number;
  width: number;
}

/** Takes features out of a network; compiled once for all images and parameters. */
export interface Extractor<F> {
  /**
   * Features of the first `count` images at one noise level, without class information: the condition is the null one.
   * Throws when a DiT is given a time, or a SiT a step.
   */
  extract(params: Params, images: ImageSet, options: ProbedImages): Promise<F>;
  dispose(): Promise<void>;
}
export type FeatureExtractor = Extractor<BlockFeatures>;

/** Which images, how noisy, and the seed of their noise, which for image i depends on `seed` and i alone. */
export type ProbedImages = {
  count: number;
  seed: number;
  /** Is told how many images are done. */
  onProgress?: (done: number) => void;
} & NoiseLevel;

/** Images at a time, or all where they are fewer. */
const LARGEST_BATCH = 100;

/**
 * Compiles what is taken of blocks' tokens [batch, tokens, width], as numbers [parts, batch, ...].
 * @returns from parameters and images to those numbers of all images, and how to give back what was compiled
 */
function compiled(
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
  async function extract(
    params: Params,
    images: ImageSet,
    { count, seed, onProgress, ...level }: ProbedImages,
  ): Promise<Float32Array<ArrayBuffer>> {
    const t = levelOf(config, level);
    if (count < 1 || count > images.count)
      throw new RangeError(`probe: count must be from 1 to ${images.count}, got ${count}`);
    const batch = Math.min(LARGEST_BATCH, count);
    let result: Float32Array<ArrayBuffer> | undefined;
    for (let start = 0; start < count; start += batch) {
      const indices = Array.from({ length: batch }, (_, i) => Math.min(start + i, images.count - 1));
      const inputs = tidyTree(() => {
        const x = imageTensor(images, indices);
        const streams = indices.map((i) => randomStream(seed, "probe", i));
        const noise = stackNormals(streams, x.shape.slice(1));
        return { x, noise, t: tf.fill([batch], t), nothing: network.nullCondition(batch) };
      });
      try {
        const taken = await features(params, inputs.x, inputs.noise, inputs.t, inputs.nothing);
        const [parts] = taken.shape;
        const values = (await taken.data()) as Float32Array;
        taken.dispose();
        const size = values.length / parts / batch;
        result ??= new Float32Array(parts * count * size);
        const used = Math.min(batch, count - start) * size;
        for (let part = 0; part < parts; part++) {
          const from = part * batch * size;
          result.set(values.subarray(from, from + used), (part * count + start) * size);
        }
      } finally {
        disposeTree(inputs);
      }
      onProgress?.(Math.min(start + batch, count));
    }
    return result!;
  }
  return { extract, dispose: () => features.dispose() };
}

/** A compiled extractor of average-pooled features of every block. */
export function featureExtractor(network: Network, config: ProcessConfig): FeatureExtractor {
  const { depth: blocks, width } = network;
  const every = Array.from({ length: blocks }, (_, i) => i + 1);
  const { extract, dispose } = compiled(network, config, every, (tokens) =>
    tf.stack(tokens.map((x) => tf.mean(x, 1))),
  );
  return {
    dispose,
    async extract(params, images, options) {
      const data = await extract(params, images, options);
      return { data, blocks, count: options.count, width };
    },
  };
}

/** A compiled extractor of the tokens after a block, counted from 1. @throws where the network has no such block */
export function tokenExtractor(
  network: Network,
  config: ProcessConfig,
  block: number,
): Extractor<TokenFeatures> {
  const { tokens, width, depth } = network;
  if (!(Number.isInteger(block) && block >= 1 && block <= depth))
    throw new RangeError(`block must be an integer from 1 to the depth ${depth}, got ${block}`);
  const { extract, dispose } = compiled(network, config, [block], ([x]) => tf.expandDims(x, 0));
  return {
    dispose,
    async extract(params, images, options) {
      const data = await extract(params, images, options);
      return { data, count: options.count, tokens, width };
    },
  };
}
