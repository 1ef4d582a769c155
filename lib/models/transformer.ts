/** The transformer that DiT and SiT share: a ViT on patches, conditioned on time and class by adaLN-Zero. */

import {
  labelEmbedding,
  patchEmbedding,
  positionEmbedding,
  timestepEmbedding,
  unpatchify,
} from "../nn/embeddings.ts";
import { modulatedLayerNorm, silu } from "../nn/fused.ts";
import { normalInit, xavierUniform } from "../nn/init.ts";
import { attention, linear, mlp } from "../nn/layers.ts";
import { remat } from "../nn/remat.ts";
import { checkParams, type Params, param } from "../tensor/params.ts";
import type { RandomGenerator } from "../tensor/random.ts";
import { namedScope } from "../tensor/scope.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { checkTransformerConfig, familyOf, type TransformerConfig } from "./config.ts";

export type { TransformerConfig } from "./config.ts";

export interface TransformerOutput {
  /** What the network predicts, [B,outChannels,H,W]. */
  output: Tensor;
  /** Tokens [B,T,D] after each requested block, in the order of the request. */
  features: Tensor[];
}

/** Channels of the prediction: twice those of the input where the variance is learned. */
export const outChannels = ({ inChannels, diffusion }: TransformerConfig): number =>
  diffusion?.learnSigma ? 2 * inChannels : inChannels;

/** The shape of every parameter by the reference's name, in its order. Throws when the sizes do not fit each other. */
export function transformerShapes(config: TransformerConfig): Record<string, number[]> {
  checkTransformerConfig(config);
  const { hiddenSize: d, patchSize: p, inChannels: c } = config;
  const inner = Math.trunc(d * config.mlpRatio);
  const shapes: Record<string, number[]> = {};
  const layer = (name: string, inSize: number, outSize: number): void => {
    shapes[`${name}.weight`] = [outSize, inSize];
    shapes[`${name}.bias`] = [outSize];
  };
  shapes.pos_embed = [1, (config.inputSize / p) ** 2, d];
  shapes["x_embedder.proj.weight"] = [d, c, p, p];
  shapes["x_embedder.proj.bias"] = [d];
  layer("t_embedder.mlp.0", FREQUENCIES, d);
  layer("t_embedder.mlp.2", d, d);
  shapes["y_embedder.embedding_table.weight"] = [config.numClasses + 1, d];
  for (let i = 0; i < config.depth; i++) {
    const block = `blocks.${i}`;
    layer(`${block}.attn.qkv`, d, 3 * d);
    if (config.qkNorm) {
      for (const norm of ["q_norm", "k_norm"]) {
        shapes[`${block}.attn.${norm}.weight`] = [d / config.numHeads];
        shapes[`${block}.attn.${norm}.bias`] = [d / config.numHeads];
      }
    }
    layer(`${block}.attn.proj`, d, d);
    layer(`${block}.mlp.fc1`, d, inner);
    layer(`${block}.mlp.fc2`, inner, d);
    layer(`${block}.adaLN_modulation.1`, d, 6 * d);
  }
  if (config.projectionHead) {
    layer("ap_head.linear1", d, 2 * d);
    layer("ap_head.linear2", 2 * d, d);
  }
  layer("final_layer.linear", d, p * p * outChannels(config));
  layer("final_layer.adaLN_modulation.1", d, 2 * d);
  return shapes;
}

const FREQUENCIES = 256;

/**
 * Random parameters as the reference initializes them: Xavier uniform for linear layers, normal(0.02) for the timestep
 * and label embeddings, zero for biases, modulations and the last layer, so that every block starts as the identity.
 */
export function initTransformer(config: TransformerConfig, random: RandomGenerator): Params {
  const init = (name: string, shape: number[]): Tensor => {
    if (name === "pos_embed")
      return positionEmbedding(config.hiddenSize, config.inputSize / config.patchSize);
    if (/_norm\.weight$/.test(name)) return tf.ones(shape);
    if (/bias$|adaLN_modulation|^final_layer\.linear/.test(name)) return tf.zeros(shape);
    if (/^(t_embedder|y_embedder)/.test(name)) return normalInit(random, shape, 0.02);
    return xavierUniform(random, shape);
  };
  return Object.fromEntries(
    Object.entries(transformerShapes(config)).map(([name, shape]) => [name, init(name, shape)]),
  );
}

/** Parameters that training changes: all but the fixed position embedding. */
export const isTrainable = (name: string): boolean => name !== "pos_embed";

/** A transformer in errors. */
export const describeTransformer = (config: TransformerConfig): string =>
  `${familyOf(config)} (depth ${config.depth}, width ${config.hiddenSize})`;

/** Checks that parameters fit a config; throws one error that lists what is missing, unexpected and mis-shaped. */
export const checkTransformerParams = (params: Params, config: TransformerConfig): void =>
  checkParams(params, transformerShapes(config), describeTransformer(config));

/** Image, time and class -> tokens [B,T,D] and the conditioning vector c [B,D]. */
function embed(
  params: Params,
  config: TransformerConfig,
  x: Tensor,
  t: Tensor,
  y: Tensor,
): { tokens: Tensor; c: Tensor } {
  const { inputSize, inChannels } = config;
  if (x.rank !== 4 || x.shape[1] !== inChannels || x.shape[2] !== inputSize || x.shape[3] !== inputSize) {
    throw new Error(
      `${familyOf(config)} input x must be [batch,${inChannels},${inputSize},${inputSize}], got [${x.shape}]`,
    );
  }
  return namedScope("embedding", () => {
    const patches = patchEmbedding(params, "x_embedder.proj", x, config.patchSize);
    const c = tf.add(timestepEmbedding(params, "t_embedder", t), labelEmbedding(params, "y_embedder", y));
    return { tokens: tf.add(patches, param(params, "pos_embed")), c };
  });
}

/** The parts of the modulation that a conditioning vector c [B,D] gives, each [B,1,D]. */
const modulation = (params: Params, name: string, c: Tensor, parts: number): Tensor[] =>
  namedScope("modulation", () => {
    const all = linear(params, `${name}.adaLN_modulation.1`, silu(c));
    return tf.split(tf.reshape(all, [c.shape[0], 1, parts * c.shape[1]!]), parts, 2);
  });

/** Transformer block number `block` (from 1) with adaLN-Zero: x [B,T,D], c [B,D] -> [B,T,D]. */
export function transformerBlock(
  params: Params,
  config: TransformerConfig,
  block: number,
  x: Tensor,
  c: Tensor,
): Tensor {
  const name = `blocks.${block - 1}`;
  return namedScope(name, () => {
    const [shiftA, scaleA, gateA, shiftM, scaleM, gateM] = modulation(params, name, c, 6);
    const middle = namedScope("attention", () => {
      const normalized = modulatedLayerNorm(x, shiftA, scaleA);
      const attended = attention(params, `${name}.attn`, normalized, config.numHeads, config.qkNorm);
      return tf.add(x, tf.mul(gateA, attended));
    });
    return namedScope("mlp", () => {
      const normalized = modulatedLayerNorm(middle, shiftM, scaleM);
      return tf.add(middle, tf.mul(gateM, mlp(params, `${name}.mlp`, normalized)));
    });
  });
}

/** The same, computed again for the gradient: of a block only its input is kept. */
function rematerializedBlock(
  params: Params,
  config: TransformerConfig,
  block: number,
  x: Tensor,
  c: Tensor,
): Tensor {
  const names = Object.keys(params).filter((name) => name.startsWith(`blocks.${block - 1}.`));
  const weights = names.map((name) => params[name]);
  return remat(
    (x, c, ...weights) =>
      transformerBlock(Object.fromEntries(names.map((name, i) => [name, weights[i]])), config, block, x, c),
    x,
    c,
    ...weights,
  );
}

function checkBlock(config: TransformerConfig, block: number): void {
  if (!Number.isInteger(block) || block < 1 || block > config.depth) {
    throw new RangeError(`block must be from 1 to ${config.depth}, got ${block}`);
  }
}

export interface TransformerOptions {
  /** Of each block keep only its input for the gradient, and compute the block again there: memory for time. */
  remat?: boolean;
}

/**
 * The network: x [B,C,H,W] at time t [B] with class ids y [B] int32 -> its prediction, and the outputs of the blocks
 * asked for, counted from 1.
 */
export function transformer(
  params: Params,
  config: TransformerConfig,
  x: Tensor,
  t: Tensor,
  y: Tensor,
  blocks: number[] = [],
  { remat = false }: TransformerOptions = {},
): TransformerOutput {
  for (const block of blocks) checkBlock(config, block);
  let { tokens, c } = embed(params, config, x, t, y);
  const outputs: Tensor[] = [];
  for (let block = 1; block <= config.depth; block++) {
    tokens = (remat ? rematerializedBlock : transformerBlock)(params, config, block, tokens, c);
    outputs.push(tokens);
  }
  const output = namedScope("final_layer", () => {
    const [shift, scale] = modulation(params, "final_layer", c, 2);
    const patches = linear(params, "final_layer.linear", modulatedLayerNorm(tokens, shift, scale));
    return unpatchify(patches, config.patchSize, outChannels(config));
  });
  return {
    output,
    features: blocks.map((block) => outputs[block - 1]),
  };
}

/** Tokens [B,T,D] after one block, running no further than it: what SRA's teacher computes. */
export function transformerFeatures(
  params: Params,
  config: TransformerConfig,
  x: Tensor,
  t: Tensor,
  y: Tensor,
  block: number,
): Tensor {
  checkBlock(config, block);
  let { tokens, c } = embed(params, config, x, t, y);
  for (let i = 1; i <= block; i++) tokens = transformerBlock(params, config, i, tokens, c);
  return tokens;
}
