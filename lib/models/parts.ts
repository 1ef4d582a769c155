/** What the networks' forward passes share. */
import { unpatchify } from "../nn/embeddings.ts";
import { modulatedLayerNorm, silu } from "../nn/fused.ts";
import { linear } from "../nn/layers.ts";
import { remat } from "../nn/remat.ts";
import type { Params } from "../tensor/params.ts";
import { namedScope } from "../tensor/scope.ts";
import { type Tensor, tf } from "../tensor/tf.ts";

/** The frequencies, cosines and sines, as which a time enters its embedding. */
export const FREQUENCIES = 256;

/** Throws unless x is a batch of the network's inputs, [B,C,H,W]. */
export function checkInput(
  { inputSize, inChannels }: { inputSize: number; inChannels: number },
  x: Tensor,
): void {
  if (x.rank !== 4 || x.shape[1] !== inChannels || x.shape[2] !== inputSize || x.shape[3] !== inputSize)
    throw new Error(
      `the network's input x must be [batch,${inChannels},${inputSize},${inputSize}], got [${x.shape}]`,
    );
}

/** Throws on a tapped block that the network does not have. */
export function checkTaps({ depth }: { depth: number }, taps: readonly number[]): void {
  for (const block of taps)
    if (!Number.isInteger(block) || block < 1 || block > depth)
      throw new RangeError(`block must be from 1 to ${depth}, got ${block}`);
}

/** The parts of the modulation that c [B,1 or T,D] gives, each of c's shape. */
export const modulation = (params: Params, name: string, c: Tensor, parts: number): Tensor[] =>
  namedScope("modulation", () => tf.split(linear(params, `${name}.adaLN_modulation.1`, silu(c)), parts, 2));

/** What a block's attention makes queries, keys and values of: the tokens [B,T,D] that enter the block, modulated by c. */
export function attentionInput(params: Params, name: string, tokens: Tensor, c: Tensor): Tensor {
  const [shift, scale] = modulation(params, name, c, 6);
  return modulatedLayerNorm(tokens, shift, scale);
}

/** Tokens [B,T,D] -> the prediction [B,channels,H,W], by what modulates the last layer, c [B,1 or T,D]. */
export const finalLayer = (
  params: Params,
  patchSize: number,
  channels: number,
  tokens: Tensor,
  c: Tensor,
): Tensor =>
  namedScope("final_layer", () => {
    const [shift, scale] = modulation(params, "final_layer", c, 2);
    const patches = linear(params, "final_layer.linear", modulatedLayerNorm(tokens, shift, scale));
    return unpatchify(patches, patchSize, channels);
  });

/** `block(weights, x, c)` with the parameters of a prefix, computed again for the gradient: only its input is kept. */
export function rematWith(
  params: Params,
  prefix: string,
  block: (weights: Params, x: Tensor, c: Tensor) => Tensor,
  x: Tensor,
  c: Tensor,
): Tensor {
  const names = Object.keys(params).filter((name) => name.startsWith(prefix));
  const named = (weights: Tensor[]): Params => Object.fromEntries(names.map((name, i) => [name, weights[i]]));
  return remat((x, c, ...weights) => block(named(weights), x, c), x, c, ...names.map((name) => params[name]));
}
