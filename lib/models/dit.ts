/** DiT, the diffusion transformer (Peebles & Xie 2023): it predicts noise, or data, and the variance of a step. */
import type { DiffusionConfig } from "../diffusion/gaussian.ts";
import type { Params } from "../tensor/params.ts";
import type { RandomGenerator } from "../tensor/random.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import {
  initTransformer,
  type TransformerConfig,
  type TransformerOptions,
  transformer,
} from "./transformer.ts";

export type DiTConfig = TransformerConfig & { diffusion: DiffusionConfig };

/** Options of a DiT that most users leave alone, as the reference has them. */
export const DIT_DEFAULTS = {
  mlpRatio: 4,
  qkNorm: false,
  projectionHead: true,
  diffusion: { schedule: "linear", steps: 1000, prediction: "noise", learnSigma: true },
} as const satisfies Partial<DiTConfig>;

export interface DiTOutput {
  /** Predicted noise, or data, [B,C,H,W]. */
  prediction: Tensor;
  /** Where a step's variance lies between its least (-1) and its most (1), [B,C,H,W]; absent unless it is learned. */
  variance?: Tensor;
  /** Tokens [B,T,D] after each requested block, in the order of the request. */
  features: Tensor[];
}

/** Random parameters; see `initTransformer`. */
export const initDiT = (config: DiTConfig, random: RandomGenerator): Params =>
  initTransformer(config, random);

/**
 * The network: x [B,C,H,W] at steps t [B] (0 to steps-1, as numbers) with class ids y [B] int32 -> noise and variance,
 * and the outputs of the blocks asked for, counted from 1.
 */
export function dit(
  params: Params,
  config: DiTConfig,
  x: Tensor,
  t: Tensor,
  y: Tensor,
  blocks: number[] = [],
  options: TransformerOptions = {},
): DiTOutput {
  const { output, features } = transformer(params, config, x, t, y, blocks, options);
  if (!config.diffusion.learnSigma) return { prediction: output, features };
  const [prediction, variance] = tf.split(output, 2, 1);
  return { prediction, variance, features };
}
