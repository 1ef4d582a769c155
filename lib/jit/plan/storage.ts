/** Which values lie in memory in half the width: what is between a step's kernels, and is neither summed up nor kept. */
import { type GraphNode, type LiveGraph, sizeOf, type Value } from "../graph.ts";

/** Smaller arrays, conditions and biases among them, keep their digits: they are little of the memory. */
const SMALLEST = 8192;

/** Operators whose operands are gradients of parameters, which are summed up. */
const SUMS = new Set(["SquareSums", "ReduceSumSquare"]);
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
  /** What a value shows, and what an update of parameters is computed from, are as wide as it. */
  const keepWide = (value: Value): void => {
    wide.add(value);
    if (value.node?.op === "Reshape" || value.node?.op === "Transpose") keepWide(value.node.inputs[0]);
  };
  for (const { op, inputs } of nodes) if (SUMS.has(op)) for (const value of inputs) keepWide(value);
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
