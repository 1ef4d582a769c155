/** The transformer that DiT and SiT share: a ViT on patches, conditioned on time and class by adaLN-Zero. */

import { labelEmbedding, patchEmbedding, positionEmbedding, timestepEmbedding } from "../nn/embeddings.ts";
import { modulatedLayerNorm } from "../nn/fused.ts";
import { linearShapes, normalInit, xavierUniform } from "../nn/init.ts";
import { attention, attentionMap, mlp, queriesAndKeys } from "../nn/layers.ts";
import { asTheyWere, byGroup, checkGroups } from "../nn/token-groups.ts";
import { type Params, param } from "../tensor/params.ts";
import type { RandomGenerator } from "../tensor/random.ts";
import { namedScope } from "../tensor/scope.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import type { TransformerConfig } from "./config.ts";
import type { ApplyOptions, Condition, Network, NetworkOutput } from "./network.ts";
import {
  attentionInput,
  checkInput,
  checkTaps,
  FREQUENCIES,
  finalLayer,
  modulation,
  rematWith,
} from "./parts.ts";

/** Channels of the prediction. */
const channelsOf = ({ inChannels, outChannels = inChannels }: TransformerConfig): number => outChannels;

const tokensOf = ({ inputSize, patchSize }: TransformerConfig): number => (inputSize / patchSize) ** 2;

/** The shape of every parameter by the reference's name, in its order. */
function transformerShapes(config: TransformerConfig): Record<string, number[]> {
  const { hiddenSize: d, patchSize: p, inChannels: c } = config;
  const inner = Math.trunc(d * config.mlpRatio);
  const shapes: Record<string, number[]> = {};
  const layer = (name: string, inSize: number, outSize: number): void => {
    Object.assign(shapes, linearShapes([name], [inSize, outSize]));
  };
  shapes.pos_embed = [1, tokensOf(config), d];
  shapes["x_embedder.proj.weight"] = [d, c, p, p];
  shapes["x_embedder.proj.bias"] = [d];
  layer("t_embedder.mlp.0", FREQUENCIES, d);
  layer("t_embedder.mlp.2", d, d);
  if (config.numClasses > 0) shapes["y_embedder.embedding_table.weight"] = [config.numClasses + 1, d];
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
  layer("final_layer.linear", d, p * p * channelsOf(config));
  layer("final_layer.adaLN_modulation.1", d, 2 * d);
  return shapes;
}

/**
 * Random parameters as the reference initializes them: Xavier uniform for linear layers, normal(0.02) for the timestep
 * and label embeddings, zero for biases, modulations and the last layer, so that every block starts as the identity.
 */
function initTransformer(config: TransformerConfig, random: RandomGenerator): Params {
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

function checkTimes(config: TransformerConfig, x: Tensor, t: Tensor): void {
  const [batch, tokens] = [x.shape[0], tokensOf(config)];
  const fits = t.shape[0] === batch && (t.rank === 1 || (t.rank === 2 && t.shape[1] === tokens));
  if (!fits)
    throw new Error(
      `the network's times t must be [${batch}], one a sample, or [${batch},${tokens}], one a token, got [${t.shape}]`,
    );
}

/** The class ids in a condition, int32 [B]. */
function classesOf({ y }: Condition, batch: number): Tensor {
  if (!(y instanceof tf.Tensor))
    throw new Error(
      "the network's condition must be { y }, class ids [batch] int32, and has no y; nullCondition(batch) is no class",
    );
  if (y.dtype !== "int32" || `${y.shape}` !== `${batch}`)
    throw new Error(
      `the network's condition y must be class ids [${batch}] int32, one a sample, got [${y.shape}] ${y.dtype}`,
    );
  return y;
}

/**
 * What modulates the blocks: the embeddings of time and class, summed. [B,1,D] where all tokens of a sample have one
 * time, and [B,T,D] where each has its own.
 */
function conditioning(params: Params, config: TransformerConfig, t: Tensor, condition: Condition): Tensor {
  const [batch, tokens = 1] = t.shape;
  const width = config.hiddenSize;
  const embedded = timestepEmbedding(params, "t_embedder", tf.reshape(t, [-1]));
  const times = tf.reshape(embedded, [batch, tokens, width]);
  if (config.numClasses === 0) return times;
  const classes = labelEmbedding(params, "y_embedder", classesOf(condition, batch));
  return tf.add(times, tf.reshape(classes, [batch, 1, width]));
}

/** Image, time and condition -> tokens [B,T,D] and what modulates them, [B,1,D] or [B,T,D]. */
function embed(
  params: Params,
  config: TransformerConfig,
  x: Tensor,
  t: Tensor,
  condition: Condition,
): { tokens: Tensor; c: Tensor } {
  checkInput(config, x);
  checkTimes(config, x, t);
  return namedScope("embedding", () => {
    const patches = patchEmbedding(params, "x_embedder.proj", x, config.patchSize);
    const c = conditioning(params, config, t, condition);
    return { tokens: tf.add(patches, param(params, "pos_embed")), c };
  });
}

/** Who attends to whom in a block: a mask, or the sizes of groups that stand one after the other. */
export interface BlockOptions extends Pick<ApplyOptions, "attentionMask"> {
  groupSizes?: readonly number[];
}

/** Transformer block number `block` (from 1) with adaLN-Zero: x [B,T,D], c [B,1 or T,D] -> [B,T,D]. */
export function transformerBlock(
  params: Params,
  { numHeads, qkNorm }: Pick<TransformerConfig, "numHeads" | "qkNorm">,
  block: number,
  x: Tensor,
  c: Tensor,
  { attentionMask: mask, groupSizes }: BlockOptions = {},
): Tensor {
  const name = `blocks.${block - 1}`;
  if (c.rank !== 3 || (c.shape[1] !== 1 && c.shape[1] !== x.shape[1]))
    throw new Error(
      `a block's c must be [batch,1,width], one for all tokens, or [batch,${x.shape[1]},width], one for each, got [${c.shape}]`,
    );
  return namedScope(name, () => {
    const [shiftA, scaleA, gateA, shiftM, scaleM, gateM] = modulation(params, name, c, 6);
    const middle = namedScope("attention", () => {
      const normalized = modulatedLayerNorm(x, shiftA, scaleA);
      const attended = attention(params, `${name}.attn`, normalized, numHeads, {
        ...{ qkNorm, mask, groupSizes },
      });
      return tf.add(x, tf.mul(gateA, attended));
    });
    return namedScope("mlp", () => {
      const normalized = modulatedLayerNorm(middle, shiftM, scaleM);
      return tf.add(middle, tf.mul(gateM, mlp(params, `${name}.mlp`, normalized)));
    });
  });
}

/**
 * What the tokens look at in a block, counted from 1: x [B,C,H,W] at times t [B] or [B,T] -> [B,heads,T,T] by query and
 * key; rows add up to 1. The blocks before it are run for it.
 */
export function attentionMaps(
  params: Params,
  config: TransformerConfig,
  x: Tensor,
  t: Tensor,
  condition: Condition,
  block: number,
): Tensor {
  checkTaps(config, [block]);
  // As the network of the config is told it.
  const told = config.reversedTime ? tf.sub(1, t) : t;
  const embedded = embed(params, config, x, told, condition);
  const [tokens] = block === 1 ? [embedded.tokens] : blocks(params, config, embedded, [block - 1], {});
  const name = `blocks.${block - 1}`;
  const normalized = attentionInput(params, name, tokens, embedded.c);
  return attentionMap(params, `${name}.attn`, normalized, config.numHeads, config.qkNorm);
}

/** Queries and keys of a block's attention, each [B,heads,T,size], of the tokens that enter it. */
function blockQueriesAndKeys(
  params: Params,
  { numHeads, qkNorm }: TransformerConfig,
  block: number,
  tokens: Tensor,
  c: Tensor,
): Tensor[] {
  const name = `blocks.${block - 1}`;
  const normalized = attentionInput(params, name, tokens, c);
  return queriesAndKeys(params, `${name}.attn`, normalized, numHeads, qkNorm);
}

/** A block, computed again for the gradient: only its input is kept. */
const rematerializedBlock: typeof transformerBlock = (params, config, block, x, c, options) =>
  rematWith(
    params,
    `blocks.${block - 1}.`,
    (weights, x, c) => transformerBlock(weights, config, block, x, c, options),
    x,
    c,
  );

/** Tokens after those of the first blocks that are `wanted`, in the same order. */
function blocks(
  params: Params,
  config: TransformerConfig,
  { tokens, c }: { tokens: Tensor; c: Tensor },
  wanted: readonly number[],
  { remat = false, attentionMask, attentionGroups: groups }: ApplyOptions,
): Tensor[] {
  if (groups) {
    const [batch, count] = tokens.shape;
    checkGroups(groups, batch, count);
    if (attentionMask) throw new Error("attention by a mask or by groups expected, got both");
    tokens = byGroup(tokens, groups);
    // What is the same for all tokens stands for each of them.
    if (c.shape[1] !== 1) c = byGroup(c, groups);
  }
  const run = remat ? rematerializedBlock : transformerBlock;
  const outputs = new Map<number, Tensor>();
  for (let block = 1; block <= Math.max(0, ...wanted); block++) {
    tokens = run(params, config, block, tokens, c, { attentionMask, groupSizes: groups?.sizes });
    if (wanted.includes(block)) outputs.set(block, groups ? asTheyWere(tokens, groups) : tokens);
  }
  return wanted.map((block) => outputs.get(block)!);
}

/** x [B,C,H,W] at times t [B] or [B,T] -> the prediction, and the tokens after the tapped blocks. */
function transformer(
  params: Params,
  config: TransformerConfig,
  x: Tensor,
  t: Tensor,
  condition: Condition,
  options: ApplyOptions = {},
): NetworkOutput {
  const { taps = [] } = options;
  checkTaps(config, taps);
  const embedded = embed(params, config, x, t, condition);
  const [last, ...tapped] = blocks(params, config, embedded, [config.depth, ...taps], options);
  const output = finalLayer(params, config.patchSize, channelsOf(config), last, embedded.c);
  return { output, taps: tapped };
}

/** The class-conditional transformer of DiT and SiT as a network. */
export function transformerNetwork(config: TransformerConfig): Network {
  const { inChannels, inputSize, depth, hiddenSize, numClasses } = config;
  return {
    name: `transformer (depth ${depth}, width ${hiddenSize})`,
    input: [inChannels, inputSize, inputSize],
    outChannels: channelsOf(config),
    depth,
    width: hiddenSize,
    tokens: tokensOf(config),
    activation: tokensOf(config) * config.mlpRatio * hiddenSize,
    classes: numClasses,
    shapes: transformerShapes(config),
    init: (random) => initTransformer(config, random),
    trainable: (name) => name !== "pos_embed",
    apply: (params, x, t, condition, options) => transformer(params, config, x, t, condition, options),
    features(params, x, t, condition, options) {
      checkTaps(config, options.taps);
      const embedded = embed(params, config, x, t, condition);
      return blocks(params, config, embedded, options.taps, options);
    },
    heads: config.numHeads,
    queriesAndKeys: (params, block, tokens, t, condition) =>
      blockQueriesAndKeys(params, config, block, tokens, conditioning(params, config, t, condition)),
    conditionOf: (labels): Condition => (numClasses === 0 ? {} : { y: labels }),
    nullCondition: (count): Condition =>
      numClasses === 0 ? {} : { y: tf.fill([count], numClasses, "int32") },
  };
}
