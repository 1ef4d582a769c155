/**
 * Operations with hand-written gradients: fewer and larger steps than the tape would record.
 * Each is composed from core operations where the backend has no fused kernel (`jit` has them all).
 */
import { type Definition, GELU, hasOperation, operation, whole } from "../tensor/operations.ts";
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
export function scaledMatMul(
  a: Tensor,
  b: Tensor,
  transposeA: boolean,
  transposeB: boolean,
  alpha: number,
): Tensor {
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
  return withGradient(
    ([x, shift, scale], save) => {
      const gain = tf.add(scale, 1);
      save([x, gain]);
      return {
        value: hasOperation("ModulatedLayerNorm")
          ? operation("ModulatedLayerNorm", { x, gain, shift }, { epsilon })
          : tf.add(tf.mul(normalize(x, epsilon)[0], gain), shift),
        gradFunc: (dy, [x, gain]) =>
          whole(
            "ModulatedLayerNormGradient",
            [dy, x, gain],
            { epsilon: { float: epsilon } },
            normGradient(epsilon),
          ),
      };
    },
    [x, shift, scale],
  );
}

/** The gradients of x, shift and scale from that of the result, x and the gain: [dy, x, gain] -> [dx, dshift, dscale]. */
const normGradient =
  (epsilon: number): Definition =>
  ([dy, x, gain]) => {
    const shared = gain.shape[1] === 1;
    // Made again rather than kept: one pass, against memory until here.
    const [normalized, inverse] = normalize(x, epsilon);
    const product = tf.mul(dy, normalized);
    const { mean, slope } = (shared ? rowMeansOfShared : rowMeans)(dy, product, gain);
    const centered = tf.sub(tf.sub(tf.mul(dy, gain), tf.mul(normalized, slope)), mean);
    const over = (gradient: Tensor): Tensor => (shared ? tf.sum(gradient, 1, true) : gradient);
    return [tf.mul(centered, inverse), over(dy), over(product)];
  };

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

/** GELU itself, x Phi(x), which other networks than ours have. */
export const exactGelu = (x: Tensor): Tensor =>
  tf.mul(x, tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5));

/** Sum of the squares of all elements, a scalar. No gradient on backends with the fused kernel. */
export const sumOfSquares = (x: Tensor): Tensor =>
  hasOperation("SumOfSquares") ? operation("SumOfSquares", { x }, {}) : tf.sum(tf.square(x));

/** `x`, not before all of `after` has been computed. What keeps the parts of a graph from being interleaved. */
export const inOrder = (x: Tensor, after: readonly Tensor[]): Tensor =>
  hasOperation("After")
    ? operation("After", { x, ...Object.fromEntries(after.map((tensor, i) => [`after${i}`, tensor])) }, {})
    : x;
