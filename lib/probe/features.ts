/** Features of a network's blocks at one noise level: what probes, similarities and pictures are made of. */
import type { ProcessConfig } from "../diffusion/process.ts";
import type { Network } from "../models/network.ts";
import { tf } from "../tensor/tf.ts";
import { blocksOf, type Extractor, extractorOf, pooled } from "./extract.ts";

/** Pooled features of blocks, [blocks, count, width]: of every block, block 1 first, or of those that were asked for. */
export interface BlockFeatures {
  data: Float32Array<ArrayBuffer>;
  blocks: number;
  count: number;
  width: number;
}

/** Features with the classes of their images. */
export interface LabelledFeatures extends BlockFeatures {
  labels: Int32Array<ArrayBuffer>;
}

/** Features of every token after one block: [count, tokens, width], tokens row by row over the image. */
export interface TokenFeatures {
  data: Float32Array<ArrayBuffer>;
  count: number;
  tokens: number;
  width: number;
}

export type FeatureExtractor = Extractor<LabelledFeatures>;

/**
 * A compiled extractor of average-pooled features of blocks, counted from 1 (default: of every block).
 * @throws where the network has no such block
 */
export function featureExtractor(
  network: Network,
  config: ProcessConfig,
  blocks?: readonly number[],
): FeatureExtractor {
  const chosen = blocksOf(network, blocks);
  const { width } = network;
  return extractorOf(network, config, chosen, pooled, ({ values, labels }, count) => ({
    data: values,
    labels,
    ...{ blocks: chosen.length, count, width },
  }));
}

/**
 * A compiled extractor of the tokens after blocks, counted from 1, of each block by itself (default: of every block).
 * @throws where the network has no such block
 */
export function blockTokenExtractor(
  network: Network,
  config: ProcessConfig,
  blocks?: readonly number[],
): Extractor<TokenFeatures[]> {
  const chosen = blocksOf(network, blocks);
  const { tokens, width } = network;
  const take = (all: Parameters<typeof pooled>[0]) => tf.stack([...all]);
  return extractorOf(network, config, chosen, take, ({ values }, count) => {
    const size = count * tokens * width;
    return chosen.map((_, i) => ({
      data: values.subarray(i * size, (i + 1) * size),
      ...{ count, tokens, width },
    }));
  });
}

/** A compiled extractor of the tokens after a block, counted from 1. @throws where the network has no such block */
export function tokenExtractor(
  network: Network,
  config: ProcessConfig,
  block: number,
): Extractor<TokenFeatures> {
  const { extract, dispose } = blockTokenExtractor(network, config, [block]);
  return { dispose, extract: async (...asked) => (await extract(...asked))[0] };
}
