/** The operations of our own (`tensor/operations.ts`), as nodes of the graph. */
import type { OperationName } from "../../tensor/operations.ts";
import { float, OWN, sizeOf, type Value, type ValueType } from "../graph.ts";
import { binary } from "./elementwise.ts";
import type { Kernel } from "./kernel.ts";
import { matMul } from "./matmul.ts";

const like = ({ shape, dtype }: Value): ValueType => ({ shape, dtype });

/** An operation whose result is like its first input. */
const sameAs =
  (op: OperationName): Kernel =>
  (graph, inputs) => {
    const values = Object.values(inputs);
    return graph.emit(op, values, like(values[0]), {}, OWN);
  };

export const fused: Readonly<Record<OperationName, Kernel>> = {
  ScaledMatMul: (graph, { a, b }, { transposeA, transposeB, alpha }) =>
    matMul(graph, a, b, transposeA as boolean, transposeB as boolean, alpha as number),
  LayerNorm: (graph, { x }, { epsilon }) => {
    const row: ValueType = { shape: [...x.shape.slice(0, -1), 1], dtype: "float32" };
    return graph.emitMany("LayerNorm", [x], [like(x), row], { epsilon: float(epsilon as number) }, OWN);
  },
  ModulatedLayerNorm: (graph, { x, gain, shift }, { epsilon }) =>
    graph.emit("ModulatedLayerNorm", [x, gain, shift], like(x), { epsilon: float(epsilon as number) }, OWN),
  MultiHeadAttention: (graph, { q, k, v }, { heads }) =>
    graph.emit("MultiHeadAttention", [q, k, v], like(q), { heads: heads as number }, OWN),
  Gelu: sameAs("Gelu"),
  GeluGradient: (graph, { dy, x, y }) => graph.emit("GeluGradient", [dy, x, y], like(x), {}, OWN),
  Gate: (graph, { x }) => graph.emit("Sigmoid", [x], like(x)),
  After: sameAs("After"),
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
