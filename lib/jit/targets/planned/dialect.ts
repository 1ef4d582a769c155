/** A traced graph in what kernels are written for: the order is the plan's to choose. */
import type { Dialect, Rule } from "../../dialect.ts";
import { OWN, sameShape, sizeOf, type Value } from "../../graph.ts";
import { binary } from "../../kernels/elementwise.ts";
import { written } from "../../lower.ts";
import type { ProductDevice } from "../../plan/forms.ts";
import { inParts } from "../../plan/parts.ts";
import { squareSums } from "../../plan/reductions.ts";
import type { Traced } from "../../program.ts";

/** One kernel for the queries, which sums what both need, and one for the keys and values. */
const attentionGradient: Rule = (graph, [dy, q, k, v, out, sums], { outputs: [dq, dk, dv], attributes }) => {
  const [queries, rowSums] = graph.emitMany(
    "AttentionQueryGradient",
    [dy, q, k, v, out, sums],
    [dq, sums],
    attributes,
    OWN,
  );
  const others = graph.emitMany(
    "AttentionKeyGradient",
    [dy, q, k, v, sums, rowSums],
    [dk, dv],
    attributes,
    OWN,
  );
  return [queries, ...others];
};

/** One kernel by rows, which also gives each row's mean and 1/deviation, and from these the sums over tokens. */
const normGradient: Rule = (graph, [dy, x, gain], { outputs: [dx, dShift, dScale], attributes }) => {
  const row = { shape: [...x.shape.slice(0, -1), 1], dtype: "float32" as const };
  const [result, mean, inverse] = graph.emitMany(
    "NormGradient",
    [dy, x, gain],
    [dx, row, row],
    attributes,
    OWN,
  );
  const normalized = binary(graph, "Mul", binary(graph, "Sub", x, mean), inverse);
  const product = binary(graph, "Mul", dy, normalized);
  if (sameShape(dShift.shape, x.shape)) return [result, dy, product];
  const overTokens = (value: Value, output: Value): Value =>
    graph.emit("ReduceSum", [value, graph.ints([1])], output, { keepdims: 1 });
  return [result, overTokens(dy, dShift), overTokens(product, dScale)];
};

/** Sums of the parts of each array, side by side in one, which is summed then. */
const sumOfAllSquares: Rule = (graph, inputs, { outputs: [total] }) => {
  const sums = inputs.map((x) =>
    graph.emit("SquareSums", [x], { shape: [squareSums(sizeOf(x.shape))], dtype: "float32" }, {}, OWN),
  );
  const shape = [sums.reduce((count, { shape: [own] }) => count + own, 0)];
  const all =
    sums.length === 1 ? sums[0] : graph.emit("Concat", sums, { shape, dtype: "float32" }, { axis: 0 });
  return [graph.emit("ReduceSum", [all, graph.ints([0])], total, { keepdims: 0 })];
};

export const KERNELS: Dialect = {
  [`${OWN}.AttentionForward`]: (graph, inputs, { outputs, attributes }) =>
    graph.emitMany("MultiHeadAttention", inputs, outputs, attributes, OWN),
  [`${OWN}.AttentionGradient`]: attentionGradient,
  [`${OWN}.ModulatedLayerNormGradient`]: normGradient,
  [`${OWN}.SumOfAllSquares`]: sumOfAllSquares,
};

/** A function in what kernels are written for, in parts that keep a device at work. */
export const writtenFor = (device: ProductDevice, traced: Traced): Traced =>
  written(written(traced, KERNELS), inParts(device));
