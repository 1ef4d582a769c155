/**
 * The text-to-image transformer of REPA's and SRA's experiments, an MMDiT (Esser et al. 2024, arXiv 2403.03206): the
 * image's tokens and the caption's pass through weights of their own, and attend to each other in one attention. Both
 * are modulated by the time alone; no pooled vector of the caption takes part.
 */
import { multiHeadAttention } from "../nn/attention.ts";
import { patchEmbedding, timestepEmbedding } from "../nn/embeddings.ts";
import { modulatedLayerNorm } from "../nn/fused.ts";
import { linear, mlp, queriesAndKeys } from "../nn/layers.ts";
import { type Params, param } from "../tensor/params.ts";
import { namedScope } from "../tensor/scope.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { type MMDiTConfig, POSITIONS } from "./mmdit-config.ts";
import { EMPTY_CAPTION, fixedParameters, initMMDiT, mmditShapes } from "./mmdit-weights.ts";
import type { ApplyOptions, Condition, Network, NetworkOutput } from "./network.ts";
import { attentionInput, checkInput, checkTaps, finalLayer, modulation, rematWith } from "./parts.ts";

/** The array of the data that holds a caption's features, [textTokens, textWidth] of each image. */
const CAPTIONS = "captions";

const sideOf = ({ inputSize, patchSize }: MMDiTConfig): number => inputSize / patchSize;

/** The middle of the table of positions [1,256,D] that an image of side x side patches has: [1,side*side,D]. */
export function croppedPositions(table: Tensor, side: number): Tensor {
  const width = table.shape[2]!;
  const start = Math.floor((POSITIONS - side) / 2);
  const grid = tf.reshape(table, [POSITIONS, POSITIONS, width]);
  return tf.reshape(tf.slice(grid, [start, start, 0], [side, side, width]), [1, side * side, width]);
}

/** Tokens of both kinds, [B,T,D] and [B,L,D]; behind the last block those of the text are no more. */
export interface JointTokens {
  image: Tensor;
  text?: Tensor;
}

/** A stream on its way through a block. */
interface Stream {
  name: string;
  x: Tensor;
  /** Queries, keys and values. */
  qkv: Tensor[];
  /** What modulates all that follows the attention; empty where nothing does. */
  rest: Tensor[];
}

/** What a stream brings to the attention: x [B,T,D], c [B,1,D]. One that ends there has no further modulations. */
function beforeAttention(params: Params, name: string, x: Tensor, c: Tensor, ends: boolean): Stream {
  return namedScope("attention", () => {
    const [shift, scale, ...rest] = modulation(params, name, c, ends ? 2 : 6);
    const normalized = modulatedLayerNorm(x, shift, scale);
    const qkv = tf.split(linear(params, `${name}.attn.qkv`, normalized), 3, 2);
    return { name, x, qkv, rest };
  });
}

/** A stream behind the attention, with what it got from it, [B,T,D]. */
function afterAttention(params: Params, { name, x, rest }: Stream, attended: Tensor): Tensor {
  const [gateA, shift, scale, gateM] = rest;
  const middle = namedScope("attention", () =>
    tf.add(x, tf.mul(gateA, linear(params, `${name}.attn.proj`, attended))),
  );
  return namedScope("mlp", () => {
    const normalized = modulatedLayerNorm(middle, shift, scale);
    return tf.add(middle, tf.mul(gateM, mlp(params, `${name}.mlp`, normalized)));
  });
}

/**
 * Joint block number `block` (from 1): image [B,T,D], text [B,L,D], c [B,1,D] -> the same. One attention over the text's
 * tokens, then the image's. In the last block the text is only looked at.
 */
export function jointBlock(
  params: Params,
  { numHeads, depth }: Pick<MMDiTConfig, "numHeads" | "depth">,
  block: number,
  { image, text }: Required<JointTokens>,
  c: Tensor,
): JointTokens {
  const name = `joint_blocks.${block - 1}`;
  return namedScope(name, () => {
    const ends = block === depth;
    const ofText = beforeAttention(params, `${name}.context_block`, text, c, ends);
    const ofImage = beforeAttention(params, `${name}.x_block`, image, c, false);
    const [q, k, v] = ofText.qkv.map((part, i) => tf.concat([part, ofImage.qkv[i]], 1));
    const attended = namedScope("attention", () => multiHeadAttention(q, k, v, numHeads));
    const [toText, toImage] = tf.split(attended, [text.shape[1]!, image.shape[1]!], 1);
    return {
      image: afterAttention(params, ofImage, toImage),
      ...(!ends && { text: afterAttention(params, ofText, toText) }),
    };
  });
}

/** The caption's features in a condition, [B,L,textWidth]. */
function contextOf({ context }: Condition, { textTokens, textWidth }: MMDiTConfig, batch: number): Tensor {
  if (!(context instanceof tf.Tensor))
    throw new Error(
      `the network's condition must be { context }, captions' features [batch,${textTokens},${textWidth}], and has no context; nullCondition(batch, params) is the empty caption`,
    );
  if (`${context.shape}` !== `${[batch, textTokens, textWidth]}`)
    throw new Error(
      `the network's condition context must be captions' features [${batch},${textTokens},${textWidth}], got [${context.shape}]`,
    );
  return context;
}

/** Throws on what a network of two streams has no answer to. */
function checkOptions(x: Tensor, t: Tensor, { attentionMask, attentionGroups }: ApplyOptions): void {
  if (t.rank !== 1 || t.shape[0] !== x.shape[0])
    throw new Error(
      `an MMDiT's times t must be [${x.shape[0]}], one a sample, as the caption's tokens have the same; got [${t.shape}]`,
    );
  if (attentionMask)
    throw new Error(
      `an MMDiT's tokens all see each other; expected no attentionMask, got [${attentionMask.shape}]`,
    );
  if (attentionGroups)
    throw new Error(
      `an MMDiT's tokens all see each other; expected no attentionGroups, got groups of ${attentionGroups.sizes}`,
    );
}

/** Image, times and caption as tokens, and what modulates them, [B,1,D]. */
function embed(
  params: Params,
  config: MMDiTConfig,
  x: Tensor,
  t: Tensor,
  condition: Condition,
): { tokens: Required<JointTokens>; c: Tensor } {
  checkInput(config, x);
  const context = contextOf(condition, config, x.shape[0]);
  return namedScope("embedding", () => {
    const patches = patchEmbedding(params, "x_embedder.proj", x, config.patchSize);
    const positions = croppedPositions(param(params, "pos_embed"), sideOf(config));
    return {
      tokens: { image: tf.add(patches, positions), text: linear(params, "context_embedder", context) },
      c: tf.expandDims(timestepEmbedding(params, "t_embedder", t), 1),
    };
  });
}

/** A joint block of which only the inputs are kept for the gradient: both kinds of tokens pass as one tensor. */
function rematerialized(
  params: Params,
  config: MMDiTConfig,
  block: number,
  tokens: Required<JointTokens>,
  c: Tensor,
): JointTokens {
  const sizes = [tokens.text.shape[1]!, tokens.image.shape[1]!];
  const joined = rematWith(
    params,
    `joint_blocks.${block - 1}.`,
    (weights, x, c) => {
      const [text, image] = tf.split(x, sizes, 1);
      const after = jointBlock(weights, config, block, { image, text }, c);
      return after.text ? tf.concat([after.text, after.image], 1) : after.image;
    },
    tf.concat([tokens.text, tokens.image], 1),
    c,
  );
  if (block === config.depth) return { image: joined };
  const [text, image] = tf.split(joined, sizes, 1);
  return { image, text };
}

/** The image's tokens after each of the first `last` blocks. */
function blocks(
  params: Params,
  config: MMDiTConfig,
  { tokens, c }: ReturnType<typeof embed>,
  last: number,
  { remat = false }: ApplyOptions,
): Tensor[] {
  const run = remat ? rematerialized : jointBlock;
  const outputs: Tensor[] = [];
  let now: JointTokens = tokens;
  for (let block = 1; block <= last; block++) {
    now = run(params, config, block, now as Required<JointTokens>, c);
    outputs.push(now.image);
  }
  return outputs;
}

/** x [B,C,H,W] at times t [B] -> the prediction, and the image's tokens after the tapped blocks. */
function mmdit(
  params: Params,
  config: MMDiTConfig,
  x: Tensor,
  t: Tensor,
  condition: Condition,
  options: ApplyOptions = {},
): NetworkOutput {
  const { taps = [] } = options;
  checkTaps(config, taps);
  checkOptions(x, t, options);
  const embedded = embed(params, config, x, t, condition);
  const outputs = blocks(params, config, embedded, config.depth, options);
  const output = finalLayer(
    params,
    config.patchSize,
    config.inChannels,
    outputs[config.depth - 1],
    embedded.c,
  );
  return { output, taps: taps.map((block) => outputs[block - 1]) };
}

/** The MMDiT as a network: its condition is `{ context }`, captions' features [B,textTokens,textWidth]. */
export function mmditNetwork(config: MMDiTConfig): Network {
  const { inChannels, inputSize, depth, hiddenSize, textTokens, textWidth } = config;
  const tokens = sideOf(config) ** 2;
  const fixed = fixedParameters(config);
  return {
    name: `MMDiT (depth ${depth}, width ${hiddenSize})`,
    input: [inChannels, inputSize, inputSize],
    outChannels: inChannels,
    depth,
    width: hiddenSize,
    tokens,
    activation: (tokens + textTokens) * config.mlpRatio * hiddenSize,
    classes: 0,
    uniformTokens: true,
    shapes: mmditShapes(config),
    init: (random) => initMMDiT(config, random),
    trainable: (name) => !(name in fixed),
    fixed,
    apply: (params, x, t, condition, options) => mmdit(params, config, x, t, condition, options),
    features(params, x, t, condition, options) {
      checkTaps(config, options.taps);
      checkOptions(x, t, options);
      const embedded = embed(params, config, x, t, condition);
      const outputs = blocks(params, config, embedded, Math.max(0, ...options.taps), options);
      return options.taps.map((block) => outputs[block - 1]);
    },
    heads: config.numHeads,
    queriesAndKeys(params, block, tokens, t) {
      const name = `joint_blocks.${block - 1}.x_block`;
      const c = tf.expandDims(timestepEmbedding(params, "t_embedder", t), 1);
      const normalized = attentionInput(params, name, tokens, c);
      return queriesAndKeys(params, `${name}.attn`, normalized, config.numHeads);
    },
    arrays: { [CAPTIONS]: [textTokens, textWidth] },
    nothing: { [CAPTIONS]: EMPTY_CAPTION },
    conditionOf: (_, arrays): Condition => ({ context: arrays[CAPTIONS] }),
    nullCondition(count, params): Condition {
      const empty = params ? param(params, EMPTY_CAPTION) : tf.zeros([textTokens, textWidth]);
      return { context: tf.tile(tf.expandDims(empty, 0), [count, 1, 1]) };
    },
  };
}
