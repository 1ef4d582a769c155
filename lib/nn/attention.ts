/** Attention and its gradient. Where nothing is compiled, and with masks, the weights are stored. */
import { type Definition, hasOperation, hasWhole, operation, whole } from "../tensor/operations.ts";
import { isRecording } from "../tensor/tape.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { scaledMatMul, withGradient } from "./fused.ts";

/** Added to the score of a key that a query must not see; far enough from float32's least to stay finite. */
const UNSEEN = -1e30;

/** Masks of other kinds, such as the numbers 0 and -infinity that are added to scores, would be read the wrong way round. */
function checkMask({ dtype, shape }: Tensor, q: Tensor, k: Tensor): void {
  const [batch, , queries] = q.shape;
  const keys = k.shape[2];
  if (
    dtype === "bool" &&
    (`${shape}` === `${[batch, queries, keys]}` || `${shape}` === `1,${queries},${keys}`)
  )
    return;
  throw new Error(
    `an attention mask must be bool [${batch === 1 ? "1" : `${batch} or 1`},${queries},${keys}], by query and key, got ${dtype} [${shape}]`,
  );
}

/** The gradients of q, k and v, each [B,heads,T,d], from that of `out`, which they came to by `weights`. */
function gradientOfWeighted(
  dy: Tensor,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  weights: Tensor,
  out: Tensor,
): Tensor[] {
  const scale = 1 / Math.sqrt(q.shape[3]!);
  // Row sums of dWeights * weights equal those of dy * out, which are shorter rows. A key that was not seen has the weight
  // 0, and so no part in any gradient.
  const rows = tf.sum(tf.mul(dy, out), -1, true);
  const scores = tf.mul(weights, tf.sub(tf.matMul(dy, v, false, true), rows));
  return [
    scaledMatMul(scores, k, false, false, scale),
    scaledMatMul(scores, q, true, false, scale),
    tf.matMul(weights, dy, true, false),
  ];
}

/**
 * softmax(q k^T / sqrt(d)) v, with q, k, v [B,heads,T,d]. A query attends to the keys where `mask`, bool [B or 1, T, T],
 * is true. Where all of its row is false it attends to all keys alike, whatever they are; what they come to is no answer,
 * so rows must not be all false.
 */
export function scaledDotProductAttention(q: Tensor, k: Tensor, v: Tensor, mask?: Tensor): Tensor {
  if (mask) checkMask(mask, q, k);
  const unseen = mask && tf.mul(tf.expandDims(tf.sub(1, tf.cast(mask, "float32")), 1), UNSEEN);
  return withGradient(
    ([q, k, v], save) => {
      const scores = scoresOf(q, k);
      const weights: Tensor = tf.softmax(unseen ? tf.add(scores, unseen) : scores);
      const out = tf.matMul(weights, v);
      save([q, k, v, weights, out]);
      return {
        value: out,
        gradFunc: (dy, [q, k, v, weights, out]) => gradientOfWeighted(dy, q, k, v, weights, out),
      };
    },
    [q, k, v],
  );
}

/** [B,T,D] -> [B,heads,T,D/heads]. */
export const inHeads = (x: Tensor, heads: number): Tensor => {
  const [batch, tokens, width] = x.shape;
  return tf.transpose(tf.reshape(x, [batch, tokens, heads, width! / heads]), [0, 2, 1, 3]);
};
/** And back. */
const fromHeads = (x: Tensor): Tensor => {
  const [batch, heads, tokens, size] = x.shape;
  return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [batch, tokens, heads * size!]);
};

const scoresOf = (q: Tensor, k: Tensor): Tensor =>
  scaledMatMul(q, k, false, true, 1 / Math.sqrt(q.shape[3]!));

/** How much each query looks at each key: q, k [B,T,D] -> [B,heads,T,T], whose rows add up to 1. */
export const attentionWeights = (q: Tensor, k: Tensor, heads: number): Tensor =>
  tf.softmax(scoresOf(inHeads(q, heads), inHeads(k, heads)));

/** Attention with what its gradient needs of each query's scores, log sum exp: [q, k, v] -> [out, [B,heads,T]]. */
const attentionForward =
  (heads: number): Definition =>
  (inputs) => {
    const [q, k, v] = inputs.map((x) => inHeads(x, heads));
    const scores = scoresOf(q, k);
    return [fromHeads(tf.matMul(tf.softmax(scores), v)), tf.logSumExp(scores, 3)];
  };

/**
 * The gradients of q, k and v: [dy, q, k, v, out, sums] -> [dq, dk, dv]. The weights are what the attention had: a target
 * that keeps them need not make them again, and one that does not has `sums` to make them by, exp(scores - sums).
 */
const attentionGradient =
  (heads: number): Definition =>
  ([dy, q, k, v, out]) => {
    const [queries, keys, values] = [q, k, v].map((x) => inHeads(x, heads));
    const [dOut, outs] = [dy, out].map((x) => inHeads(x, heads));
    const weights: Tensor = tf.softmax(scoresOf(queries, keys));
    return gradientOfWeighted(dOut, queries, keys, values, weights, outs).map(fromHeads);
  };

/** Attention in heads: q, k, v [B,T,D] -> [B,T,D]; `mask` as in `scaledDotProductAttention`. */
export function multiHeadAttention(q: Tensor, k: Tensor, v: Tensor, heads: number, mask?: Tensor): Tensor {
  // One operator where nobody asks for the gradient: in the teacher and when sampling.
  if (!mask && hasOperation("MultiHeadAttention") && !isRecording())
    return operation("MultiHeadAttention", { q, k, v }, { heads });
  // What runs at once keeps the weights rather than make them twice.
  if (mask || !hasWhole()) {
    const [queries, keys, values] = [q, k, v].map((x) => inHeads(x, heads));
    return fromHeads(scaledDotProductAttention(queries, keys, values, mask));
  }
  return withGradient(
    ([q, k, v], save) => {
      const [out, sums] = whole("AttentionForward", [q, k, v], { heads }, attentionForward(heads));
      save([q, k, v, out, sums]);
      return {
        value: out,
        gradFunc: (dy, saved) =>
          whole("AttentionGradient", [dy, ...saved], { heads }, attentionGradient(heads)),
      };
    },
    [q, k, v],
  );
}
