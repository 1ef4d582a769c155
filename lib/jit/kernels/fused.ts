/** Kernels of our own that only the tracing backend has; `nn/fused.ts` composes them from core operations elsewhere. */
import { float, sizeOf, type Value } from "../graph.ts";
import { binary } from "./elementwise.ts";
import { cast, type KernelTable } from "./kernel.ts";
import { matMul, ORT } from "./matmul.ts";

export const fused: KernelTable = {
  /** alpha * op(a) op(b) */
  ScaledMatMul: (graph, { a, b }, { transposeA, transposeB, alpha }) =>
    matMul(graph, a, b, transposeA as boolean, transposeB as boolean, alpha as number),
  /** Layer normalization without affine parameters: the normalized x and 1/deviation of the last axis. */
  LayerNorm: (graph, { x }, { epsilon }) => {
    const width = x.shape[x.shape.length - 1];
    const ones = graph.constant(new Float32Array(width).fill(1), [width], "float32");
    const row = { shape: [...x.shape.slice(0, -1), 1], dtype: "float32" as const };
    const outputs = [{ shape: x.shape, dtype: "float32" as const }, row, row];
    const attributes = { axis: -1, epsilon: float(epsilon as number) };
    const [normalized, , inverse] = graph.emitMany("LayerNormalization", [x, ones], outputs, attributes);
    return [normalized, inverse];
  },
  /** Layer normalization over the last axis of x [B,T,D], times gain [B,1,D], plus shift [B,1,D]. */
  ModulatedLayerNorm: (graph, { x, gain, shift }, { epsilon }) =>
    graph.emit(
      "LayerNormalization",
      [x, gain, shift],
      { shape: x.shape, dtype: "float32" },
      { axis: -1, epsilon: float(epsilon as number) },
    ),
  /** softmax(q k^T / sqrt(d)) v in heads, with q, k, v and the result [B,T,D]. */
  MultiHeadAttention: (graph, { q, k, v }, { heads }) => {
    const [batch, tokens, width] = q.shape;
    const output = { shape: q.shape, dtype: "float32" as const };
    if (!graph.portable)
      return graph.emit("MultiHeadAttention", [q, k, v], output, { num_heads: heads as number }, ORT);
    const size = width / (heads as number);
    const [queries, keys, values] = [q, k, v].map((x) =>
      graph.transpose(graph.reshape(x, [batch, tokens, heads as number, size]), [0, 2, 1, 3]),
    );
    const scores = matMul(graph, queries, keys, false, true, 1 / Math.sqrt(size));
    const { shape, dtype } = scores;
    const weights = graph.emit("Softmax", [scores], { shape, dtype }, { axis: -1 });
    const out = graph.transpose(matMul(graph, weights, values), [0, 2, 1, 3]);
    return graph.reshape(out, q.shape);
  },
  /** GELU with the tanh approximation. */
  GeluTanh: (graph, { x }) =>
    graph.emit("Gelu", [x], { shape: x.shape, dtype: "float32" }, { approximate: "tanh" }),
  /** The sigmoid as onnxruntime has it, which may pass 1 by a unit in the last place: for factors, where that is no matter. */
  Gate: (graph, { x }) => graph.emit("Sigmoid", [x], { shape: x.shape, dtype: "float32" }),
  /** `x` as it is, once all of `after` has been computed: onnxruntime's order follows data, and nothing else. */
  After: (graph, { x, ...after }): Value => {
    const int64 = { shape: [], dtype: "int64" as const };
    const sizes = Object.values(after).map((value) => graph.emit("Size", [value], int64));
    const largest = sizes.length === 1 ? sizes[0] : graph.emit("Max", sizes, int64);
    const zero = graph.constant(BigInt64Array.of(0n), [], "int64");
    // Never true, but no optimizer knows that.
    const no = graph.emit("Less", [largest, zero], { shape: [], dtype: "bool" });
    return binary(graph, "Add", x, cast(graph, no, x.dtype));
  },
  /** Sum of squares of all elements, a scalar. */
  SumOfSquares: (graph, { x }): Value => {
    const flat = graph.reshape(x, [sizeOf(x.shape)]);
    // With its axis kept, a stack of such sums takes them as they are.
    const total =
      flat.shape[0] === 1
        ? binary(graph, "Mul", flat, flat)
        : graph.emit("ReduceSumSquare", [flat, graph.ints([0])], { shape: [1], dtype: "float32" });
    return graph.reshape(total, []);
  },
};
