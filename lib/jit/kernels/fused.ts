/** Kernels of our own that only the tracing backend has; `nn/fused.ts` composes them from core operations elsewhere. */
import { float, type Value } from "../graph.ts";
import { binary } from "./elementwise.ts";
import type { KernelTable } from "./kernel.ts";
import { matMul } from "./matmul.ts";

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
  /** GELU with the tanh approximation. */
  GeluTanh: (graph, { x }) =>
    graph.emit("Gelu", [x], { shape: x.shape, dtype: "float32" }, { approximate: "tanh" }),
  /** Sum of squares of all elements, a scalar. */
  SumOfSquares: (graph, { x }): Value => {
    const flat = graph.reshape(x, [x.shape.reduce((n, d) => n * d, 1)]);
    if (flat.shape[0] === 1) return graph.reshape(binary(graph, "Mul", flat, flat), []);
    return graph.emit(
      "ReduceSumSquare",
      [flat, graph.ints([0])],
      { shape: [], dtype: "float32" },
      { keepdims: 0 },
    );
  },
};
