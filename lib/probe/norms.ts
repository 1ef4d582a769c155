/**
 * How large blocks' features are. Aligned by the smooth-l1 distance, which sees their size, features may grow without
 * bound late in training and the loss with them (the authors' release of July 2026 takes the cosine for that).
 */
import type { ProcessConfig } from "../diffusion/process.ts";
import type { Network } from "../models/network.ts";
import { tf } from "../tensor/tf.ts";
import { blocksOf, type Extractor, extractorOf } from "./extract.ts";

/** Euclidean norms of tokens over all images and tokens, one number of each block. */
export interface FeatureNorms {
  mean: number[];
  /** Standard deviation. */
  deviation: number[];
  largest: number[];
}

/** Mean and spread of numbers, in float64. */
function spreadOf(values: Float32Array): { mean: number; deviation: number; largest: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const square = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, deviation: Math.sqrt(square), largest: values.reduce((most, v) => Math.max(most, v), 0) };
}

/**
 * A compiled extractor of the norms |h_i| of tokens after blocks, counted from 1 (default: every block).
 * @throws where the network has no such block
 */
export function featureNorms(
  network: Network,
  config: ProcessConfig,
  blocks?: readonly number[],
): Extractor<FeatureNorms> {
  const chosen = blocksOf(network, blocks);
  return extractorOf(
    network,
    config,
    chosen,
    (tokens) => tf.stack(tokens.map((x) => tf.norm(x, 2, 2))),
    ({ values }) => {
      const size = values.length / chosen.length;
      const each = chosen.map((_, i) => spreadOf(values.subarray(i * size, (i + 1) * size)));
      return {
        mean: each.map(({ mean }) => mean),
        deviation: each.map(({ deviation }) => deviation),
        largest: each.map(({ largest }) => largest),
      };
    },
  );
}
