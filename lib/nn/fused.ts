/**
 * Operations with hand-written gradients: fewer and larger steps than the tape would record.
 * Each is composed from core operations where the backend has no fused kernel (`jit` has them all).
 */
import { GELU, hasOperation, operation } from "../tensor/operations.ts";
import { isRecording } from "../tensor/tape.ts";
import { type Tensor, tf } from "../tensor/tf.ts";

interface Gradient {
  value: Tensor;
  gradFunc: (dy: Tensor, saved: Tensor[]) => Tensor | Tensor[];
}

/** An operation of tensors with its own gradient; what `save` keeps reaches the gradient. */
export const withGradient = (
  op: (inputs: Tensor[], save: (tensors: Tensor[]) => void) => Gradient,
  inputs: Tensor[],
): Tensor =>
  tf.customGrad((...args) => {
    const save = args[args.length - 1] as (tensors: Tensor[]) => void;
    return op(args.slice(0, -1) as Tensor[], save);
  })(...inputs);

/** alpha * op(a) op(b) over equal leading axes. No gradient: for use inside gradients. */
function scaledMatMul(a: Tensor, b: Tensor, transposeA: boolean, transposeB: boolean, alpha: number): Tensor {
  if (hasOperation("ScaledMatMul"))
    return operation("ScaledMatMul", { a, b }, { transposeA, transposeB, alpha });
  return tf.mul(tf.matMul(a, b, transposeA, transposeB), alpha);
}

/** The normalized x and 1/deviation over the last axis. */
function normalize(x: Tensor, epsilon: number): Tensor[] {
  if (hasOperation("LayerNorm")) return operation("LayerNorm", { x }, { epsilon });
  const centered = tf.sub(x, tf.mean(x, -1, true));
  const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(centered), -1, true), epsilon));
  return [tf.mul(centered, inverse), inverse];
}

/**
 * adaLN: layerNorm(x) * (1 + scale) + shift.
 * x [B,T,D]; shift and scale [B,1,D], one vector for all tokens of a sample, or [B,T,D], one for each.
 */
export function modulatedLayerNorm(x: Tensor, shift: Tensor, scale: Tensor, epsilon = 1e-6): Tensor {
  const shared = shift.shape[1] === 1;
  return withGradient(
    ([x, shift, scale], save) => {
      const gain = tf.add(scale, 1);
      save([x, gain]);
      return {
        value: hasOperation("ModulatedLayerNorm")
          ? operation("ModulatedLayerNorm", { x, gain, shift }, { epsilon })
          : tf.add(tf.mul(normalize(x, epsilon)[0], gain), shift),
        gradFunc: (dy, [x, gain]) => {
          // Made again rather than kept: one pass, against memory until here.
          const [normalized, inverse] = normalize(x, epsilon);
          const product = tf.mul(dy, normalized);
          const { mean, slope } = (shared ? rowMeansOfShared : rowMeans)(dy, product, gain);
          const centered = tf.sub(tf.sub(tf.mul(dy, gain), tf.mul(normalized, slope)), mean);
          const over = (gradient: Tensor): Tensor => (shared ? tf.sum(gradient, 1, true) : gradient);
          return [tf.mul(centered, inverse), over(dy), over(product)];
        },
      };
    },
    [x, shift, scale],
  );
}

/** The means over the width of dy*gain and product*gain, [B,T,1], for a gain of each token. */
const rowMeans = (dy: Tensor, product: Tensor, gain: Tensor): { mean: Tensor; slope: Tensor } => ({
  mean: tf.mean(tf.mul(dy, gain), 2, true),
  slope: tf.mean(tf.mul(product, gain), 2, true),
});

/** The same for one gain [B,1,D] of all tokens: matrix-vector products, which need no pass of their own. */
function rowMeansOfShared(dy: Tensor, product: Tensor, gain: Tensor): { mean: Tensor; slope: Tensor } {
  const column = tf.transpose(gain, [0, 2, 1]);
  const meanOf = (rows: Tensor): Tensor => scaledMatMul(rows, column, false, false, 1 / dy.shape[2]!);
  return { mean: meanOf(dy), slope: meanOf(product) };
}

/** A sigmoid that is multiplied with: one step, and onnxruntime makes one of the product with it too. */
const gate = (x: Tensor): Tensor => (hasOperation("Gate") ? operation("Gate", { x }, {}) : tf.sigmoid(x));

/** GELU with the tanh approximation: x * sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3)). */
export function gelu(x: Tensor): Tensor {
  const gateOf = (x: Tensor, squared: Tensor): Tensor =>
    gate(tf.mul(tf.add(tf.mul(squared, GELU.scale * GELU.cubic), GELU.scale), x));
  const gradient = (dy: Tensor, x: Tensor, y: Tensor): Tensor => {
    const squared = tf.square(x);
    const share = gateOf(x, squared);
    const slope = tf.add(tf.mul(squared, 3 * GELU.scale * GELU.cubic), GELU.scale);
    return tf.mul(dy, tf.add(share, tf.mul(tf.mul(y, tf.sub(1, share)), slope)));
  };
  return withGradient(
    ([x], save) => {
      const value: Tensor = hasOperation("Gelu")
        ? operation("Gelu", { x }, {})
        : tf.mul(x, gateOf(x, tf.square(x)));
      // The next layer keeps the value for its weights' gradient anyway.
      save([x, value]);
      return {
        value,
        gradFunc: (dy, [x, y]) =>
          hasOperation("GeluGradient") ? operation("GeluGradient", { dy, x, y }, {}) : gradient(dy, x, y),
      };
    },
    [x],
  );
}

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

/**
 * softmax(q k^T / sqrt(d)) v, with q, k, v [B,heads,T,d]. A query attends to the keys where `mask`, bool [B or 1, T, T],
 * is true. Where all of its row is false it attends to all keys alike, whatever they are; what they come to is no answer,
 * so rows must not be all false.
 */
export function scaledDotProductAttention(q: Tensor, k: Tensor, v: Tensor, mask?: Tensor): Tensor {
  if (mask) checkMask(mask, q, k);
  const scale = 1 / Math.sqrt(q.shape[3]!);
  const unseen = mask && tf.mul(tf.expandDims(tf.sub(1, tf.cast(mask, "float32")), 1), UNSEEN);
  return withGradient(
    ([q, k, v], save) => {
      const scores = scaledMatMul(q, k, false, true, scale);
      const weights: Tensor = tf.softmax(unseen ? tf.add(scores, unseen) : scores);
      const out = tf.matMul(weights, v);
      save([q, k, v, weights, out]);
      return {
        value: out,
        gradFunc: (dy, [q, k, v, weights, out]) => {
          // Row sums of dWeights * weights equal those of dy * out, which are shorter rows. A key that was not seen has
          // the weight 0, and so no part in any gradient.
          const rows = tf.sum(tf.mul(dy, out), -1, true);
          const scores = tf.mul(weights, tf.sub(tf.matMul(dy, v, false, true), rows));
          return [
            scaledMatMul(scores, k, false, false, scale),
            scaledMatMul(scores, q, true, false, scale),
            tf.matMul(weights, dy, true, false),
          ];
        },
      };
    },
    [q, k, v],
  );
}

/** Attention in heads: q, k, v [B,T,D] -> [B,T,D]; `mask` as in `scaledDotProductAttention`. */
export function multiHeadAttention(q: Tensor, k: Tensor, v: Tensor, heads: number, mask?: Tensor): Tensor {
  // One operator where nobody asks for the gradient: in the teacher and when sampling.
  if (!mask && hasOperation("MultiHeadAttention") && !isRecording())
    return operation("MultiHeadAttention", { q, k, v }, { heads });
  const [batch, tokens, width] = q.shape;
  const [queries, keys, values] = [q, k, v].map((x) =>
    tf.transpose(tf.reshape(x, [batch, tokens, heads, width / heads]), [0, 2, 1, 3]),
  );
  const out = scaledDotProductAttention(queries, keys, values, mask);
  return tf.reshape(tf.transpose(out, [0, 2, 1, 3]), [batch, tokens, width]);
}

/** x sigmoid(x); onnxruntime makes one step of it. */
export function silu(x: Tensor): Tensor {
  return withGradient(
    ([x], save) => {
      save([x]);
      return {
        value: tf.mul(x, gate(x)),
        gradFunc: (dy, [x]) => {
          const share = gate(x);
          return tf.mul(dy, tf.mul(share, tf.add(tf.mul(x, tf.sub(1, share)), 1)));
        },
      };
    },
    [x],
  );
}

/** `x`, as a constant to its gradient. */
export const withoutGradient = (x: Tensor): Tensor =>
  withGradient(([x]) => ({ value: tf.clone(x), gradFunc: (dy) => tf.zerosLike(dy) }), [x]);

/** `x`, whose gradient is multiplied by a mask of its shape. */
export const withMaskedGradient = (x: Tensor, mask: () => Tensor): Tensor =>
  withGradient(([x]) => ({ value: tf.clone(x), gradFunc: (dy) => tf.mul(dy, mask()) }), [x]);

/** Sum of the squares of all elements, a scalar. No gradient on backends with the fused kernel. */
export const sumOfSquares = (x: Tensor): Tensor =>
  hasOperation("SumOfSquares") ? operation("SumOfSquares", { x }, {}) : tf.sum(tf.square(x));

/** `x`, not before all of `after` has been computed. What keeps the parts of a graph from being interleaved. */
export const inOrder = (x: Tensor, after: readonly Tensor[]): Tensor =>
  hasOperation("After")
    ? operation("After", { x, ...Object.fromEntries(after.map((tensor, i) => [`after${i}`, tensor])) }, {})
    : x;
