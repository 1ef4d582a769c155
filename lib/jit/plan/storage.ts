/** Which values lie in memory in half the width: what is between a step's kernels, and is neither summed up nor kept. */
import { type GraphNode, type LiveGraph, sizeOf, type Value } from "../graph.ts";

/** Smaller arrays, conditions and biases among them, keep their digits: they are little of the memory. */
const SMALLEST = 8192;

/** Operators whose operands are gradients of parameters, which are summed up. */
const SUMS = new Set(["SquareSums", "ReduceSumSquare"]);
/** Operators that give a number for each of their operands' at the same place, or show them. */
const THROUGH = new Set(["Reshape", "Transpose", "Cast", "Add", "Sub", "Mul", "Div", "Neg"]);
/** Those of whose results only the first is an array of activations: others are statistics of its rows. */
const WITH_STATISTICS = new Set([
  "NormGradient",
  "LayerNorm",
  "MultiHeadAttention",
  "AttentionQueryGradient",
]);

const isStatistic = (value: Value, { op, outputs }: GraphNode): boolean =>
  WITH_STATISTICS.has(op) && outputs[0] !== value;

/** Of the values that are stored, those that are narrow. */
export function narrowValues(
  { nodes }: LiveGraph,
  stored: ReadonlySet<Value>,
  results: ReadonlySet<Value>,
): Set<Value> {
  const wide = new Set<Value>(results);
  /** What a value is made of one number by one is as wide as it: a gradient before it is scaled or added to another. */
  const keepWide = (value: Value): void => {
    if (wide.has(value)) return;
    wide.add(value);
    if (value.node && THROUGH.has(value.node.op)) value.node.inputs.forEach(keepWide);
  };
  for (const { op, inputs, outputs } of nodes) {
    if (SUMS.has(op)) inputs.forEach(keepWide);
    // Parts of sums are sums.
    if (op.startsWith("Partial") || SUMS.has(op)) outputs.forEach(keepWide);
  }
  return new Set(
    [...stored].filter(
      (value) =>
        value.dtype === "float32" &&
        sizeOf(value.shape) >= SMALLEST &&
        !wide.has(value) &&
        !isStatistic(value, value.node!),
    ),
  );
}
