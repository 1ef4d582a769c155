/** Layers as functions of parameters, a name and an input. Weights have PyTorch's layout: [out, in]. */
import { type Params, param } from "../tensor/params.ts";
import { isRecording } from "../tensor/tape.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { attentionWeights, inHeads, multiHeadAttention } from "./attention.ts";
import { gelu, silu, withMaskedGradient } from "./fused.ts";
import { groupedAttention } from "./token-groups.ts";

/** x W^T + b over the last axis: x [..., in] -> [..., out]. */
export function linear(params: Params, name: string, x: Tensor): Tensor {
  const weight = param(params, `${name}.weight`);
  const [outSize, inSize] = weight.shape;
  const rows = tf.reshape(x, [-1, inSize]) as Tensor & { rankType: unknown };
  const y = tf.fused.matMul({
    a: rows,
    b: weight,
    transposeB: true,
    bias: param(params, `${name}.bias`),
    activation: "linear",
  });
  return tf.reshape(y, [...x.shape.slice(0, -1), outSize]);
}

/** Two linear layers with the tanh GELU between: `fc1`, `fc2`. */
export const mlp = (params: Params, name: string, x: Tensor): Tensor =>
  linear(params, `${name}.fc2`, gelu(linear(params, `${name}.fc1`, x)));

/** Layer normalization with weight and bias over the last axis (as query and key normalization use it). */
export function layerNorm(params: Params, name: string, x: Tensor, epsilon = 1e-5): Tensor {
  const centered = tf.sub(x, tf.mean(x, -1, true));
  const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(centered), -1, true), epsilon));
  const normalized = tf.mul(centered, inverse);
  return tf.add(tf.mul(normalized, param(params, `${name}.weight`)), param(params, `${name}.bias`));
}

/**
 * Parameters of an attention, whose keys' own bias gets a gradient of exactly 0: what is added to all keys adds the same
 * to all scores of a query, which the softmax takes out again. Computed, its gradient is rounding alone, and AdamW, which
 * divides by the gradient's size, would make steps of it. With `qkNorm` it is the bias of the keys' norm.
 */
function withIdleKeyBias(params: Params, name: string, qkNorm: boolean): Params {
  if (!isRecording()) return params;
  const idle = `${name}.${qkNorm ? "k_norm" : "qkv"}.bias`;
  const bias = param(params, idle);
  const mask = (): Tensor => {
    if (qkNorm) return tf.zeros(bias.shape);
    const width = bias.shape[0] / 3;
    return tf.concat([tf.ones([width]), tf.zeros([width]), tf.ones([width])]);
  };
  return { ...params, [idle]: withMaskedGradient(bias, mask) };
}

export interface AttentionOptions {
  /** Layer-normalize queries and keys per head. */
  qkNorm?: boolean;
  /** Which keys a query attends to, bool [B or 1, T, T], no row all false. Default: all. */
  mask?: Tensor;
  /** How many tokens each group has that attends to itself alone; they stand group by group. Default: one group. */
  groupSizes?: readonly number[];
}

/** Queries, keys and values of x, each [B,T,D]. */
function projected(params: Params, name: string, x: Tensor, heads: number, qkNorm: boolean): Tensor[] {
  const [batch, tokens, width] = x.shape;
  const weights = withIdleKeyBias(params, name, qkNorm);
  const norm = (part: "q" | "k", y: Tensor): Tensor => {
    if (!qkNorm) return y;
    const perHead = tf.reshape(y, [batch, tokens, heads, width / heads]);
    return tf.reshape(layerNorm(weights, `${name}.${part}_norm`, perHead), y.shape);
  };
  const [q, k, v] = tf.split(linear(weights, `${name}.qkv`, x), 3, 2);
  return [norm("q", q), norm("k", k), v];
}

/** Multi-head self-attention: x [B,T,D] -> [B,T,D]. */
export function attention(
  params: Params,
  name: string,
  x: Tensor,
  heads: number,
  { qkNorm = false, mask, groupSizes }: AttentionOptions = {},
): Tensor {
  const [q, k, v] = projected(params, name, x, heads, qkNorm);
  const attended = groupSizes
    ? groupedAttention(q, k, v, heads, groupSizes)
    : multiHeadAttention(q, k, v, heads, mask);
  return linear(params, `${name}.proj`, attended);
}

/** Queries and keys of that attention, each [B,heads,T,D/heads]. */
export const queriesAndKeys = (
  params: Params,
  name: string,
  x: Tensor,
  heads: number,
  qkNorm = false,
): Tensor[] =>
  projected(params, name, x, heads, qkNorm)
    .slice(0, 2)
    .map((part) => inHeads(part, heads));

/** What each token looks at in that attention: x [B,T,D] -> [B,heads,T,T] by query and key, whose rows add up to 1. */
export function attentionMap(params: Params, name: string, x: Tensor, heads: number, qkNorm = false): Tensor {
  const [q, k] = projected(params, name, x, heads, qkNorm);
  return attentionWeights(q, k, heads);
}

/** Two linear layers with SiLU between: `linear1`, `linear2`. The projection head of SRA. */
export const siluMlp = (
  params: Params,
  name: string,
  x: Tensor,
  first = "linear1",
  second = "linear2",
): Tensor => siluLayers(params, [`${name}.${first}`, `${name}.${second}`], x);

/** Linear layers one after the other, SiLU between: a head or a projector. */
export const siluLayers = (params: Params, [first, ...others]: readonly string[], x: Tensor): Tensor =>
  others.reduce((y, layer) => linear(params, layer, silu(y)), linear(params, first, x));
