/** SiT, the scalable interpolant transformer (Ma et al. 2024): it predicts the velocity of an interpolant. */
import type { Params } from "../tensor/params.ts";
import type { RandomGenerator } from "../tensor/random.ts";
import type { Tensor } from "../tensor/tf.ts";
import {
  initTransformer,
  type TransformerConfig,
  type TransformerOptions,
  transformer,
} from "./transformer.ts";

/** A transformer without a diffusion process. */
export type SiTConfig = TransformerConfig;

/** Options of a SiT that most users leave alone, as the reference has them. */
export const SIT_DEFAULTS = { mlpRatio: 4, qkNorm: false, projectionHead: true } as const;

export interface SiTOutput {
  /** Predicted velocity [B,C,H,W]. */
  velocity: Tensor;
  /** Tokens [B,T,D] after each requested block, in the order of the request. */
  features: Tensor[];
}

/** Random parameters; see `initTransformer`. */
export const initSiT = (config: SiTConfig, random: RandomGenerator): Params =>
  initTransformer(config, random);

/**
 * The network: x [B,C,H,W] at time t [B] (0 data, 1 noise) with class ids y [B] int32 -> velocity,
 * and the outputs of the blocks asked for, counted from 1.
 */
export function sit(
  params: Params,
  config: SiTConfig,
  x: Tensor,
  t: Tensor,
  y: Tensor,
  blocks: number[] = [],
  options: TransformerOptions = {},
): SiTOutput {
  if (config.diffusion) throw new Error("sit got the config of a DiT, with a diffusion process; use dit");
  const { output, features } = transformer(params, config, x, t, y, blocks, options);
  return { velocity: output, features };
}
