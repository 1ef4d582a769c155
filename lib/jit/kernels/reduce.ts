/** Reductions, cumulative sums, softmax and sorting kernels. */
import { type Graph, OWN, type Value } from "../graph.ts";
import { asNumber, withNumbers } from "./dtypes.ts";
import { binary } from "./elementwise.ts";
import {
  type Attributes,
  cast,
  type Kernel,
  type KernelTable,
  normalizeAxes,
  slice,
  where,
} from "./kernel.ts";
import { pad } from "./shape.ts";

const reducedShape = ({ shape }: Value, axes: readonly number[], keepDims: boolean): number[] =>
  keepDims ? shape.map((d, i) => (axes.includes(i) ? 1 : d)) : shape.filter((_, i) => !axes.includes(i));

function reduce(graph: Graph, op: string, x: Value, { axis, keepDims }: Attributes): Value {
  const axes = normalizeAxes(axis, x.shape.length);
  const shape = reducedShape(x, axes, keepDims as boolean);
  if (axes.every((i) => x.shape[i] === 1)) return graph.reshape(x, shape);
  return graph.emit(op, [x, graph.ints(axes)], { shape, dtype: x.dtype }, { keepdims: keepDims ? 1 : 0 });
}

/** The largest or smallest: NaN where one is, which onnxruntime sees in some places of an axis and not in others. */
function extreme(graph: Graph, op: "ReduceMax" | "ReduceMin", given: Value, attributes: Attributes): Value {
  const x = asNumber(graph, given);
  const result = reduce(graph, op, x, attributes);
  if (x.dtype !== "float32") return cast(graph, result, given.dtype);
  const bad = graph.emit("IsNaN", [x], { shape: x.shape, dtype: "bool" });
  const anyBad = cast(graph, reduce(graph, "ReduceMax", cast(graph, bad, "int32"), attributes), "bool");
  return where(graph, anyBad, graph.scalar(Number.NaN), result);
}

const reduction =
  (op: string): Kernel =>
  (graph, { x }, attributes) =>
    reduce(graph, op, x, attributes);

/** ONNX reduces no booleans: all is the minimum, any the maximum, of 0 and 1. */
const logical =
  (op: string): Kernel =>
  (graph, { x }, attributes) =>
    cast(graph, reduce(graph, op, cast(graph, x, "int32"), attributes), "bool");

/**
 * The place of the first largest or smallest element. As in tfjs NaN is neither, except as the first: nothing compares
 * with it, so that its place stays.
 */
const extremum =
  (op: "ArgMax" | "ArgMin"): Kernel =>
  (graph, { x: given }, { axis }) => {
    const x = asNumber(graph, given);
    const [along] = normalizeAxes(axis ?? 0, x.shape.length);
    const shape = x.shape.filter((_, i) => i !== along);
    const numbers = x.dtype === "float32" ? withoutNaN(graph, x, along, op === "ArgMax" ? 1 : -1) : x;
    const index = graph.emit(op, [numbers], { shape, dtype: "int64" }, { axis: along, keepdims: 0 });
    return cast(graph, index, "int32");
  };

/** With an infinity of the sign in place of NaN at the beginning of an axis, and of the other sign behind. */
function withoutNaN(graph: Graph, x: Value, axis: number, sign: number): Value {
  const shape = x.shape.map((size, i) => (i === axis ? size : 1));
  const instead = new Float32Array(x.shape[axis]).fill(-sign * Number.POSITIVE_INFINITY);
  instead[0] = sign * Number.POSITIVE_INFINITY;
  const bad = graph.emit("IsNaN", [x], { shape: x.shape, dtype: "bool" });
  return graph.emit("Where", [bad, graph.constant(instead, shape, "float32"), x], x);
}

/** By doubling: after k steps each element holds the product of the 2^k elements that end at it. */
function cumulativeProduct(
  graph: Graph,
  x: Value,
  axis: number,
  exclusive: boolean,
  reverse: boolean,
): Value {
  const size = x.shape[axis];
  /** Moves elements `by` places along the axis and fills with ones. */
  const shift = (value: Value, by: number): Value => {
    const amount: [number, number] = reverse ? [0, by] : [by, 0];
    const padded = pad(
      graph,
      value,
      x.shape.map((_, i) => (i === axis ? amount : [0, 0])),
      1,
    );
    const begin = x.shape.map((_, i) => (i === axis && reverse ? by : 0));
    return slice(graph, padded, begin, x.shape);
  };
  let product = exclusive ? shift(x, 1) : x;
  for (let by = 1; by < size; by *= 2) product = binary(graph, "Mul", product, shift(product, by));
  return product;
}

export const reductions: KernelTable = {
  Sum: (graph, { x }, attributes) =>
    reduce(graph, "ReduceSum", x.dtype === "bool" ? cast(graph, x, "int32") : x, attributes),
  Mean: (graph, { x }, attributes) => reduce(graph, "ReduceMean", cast(graph, x, "float32"), attributes),
  Prod: reduction("ReduceProd"),
  Max: (graph, { x }, { reductionIndices, axis, ...rest }) =>
    extreme(graph, "ReduceMax", x, { axis: reductionIndices ?? axis, ...rest }),
  Min: (graph, { x }, attributes) => extreme(graph, "ReduceMin", x, attributes),
  All: logical("ReduceMin"),
  Any: logical("ReduceMax"),
  ArgMax: extremum("ArgMax"),
  ArgMin: extremum("ArgMin"),
  Cumsum: withNumbers((graph, { x }, { axis, exclusive, reverse }) =>
    graph.emit(
      "CumSum",
      [x, graph.constant(BigInt64Array.of(BigInt(normalizeAxes(axis, x.shape.length)[0])), [], "int64")],
      { shape: x.shape, dtype: x.dtype },
      { exclusive: exclusive ? 1 : 0, reverse: reverse ? 1 : 0 },
    ),
  ),
  Cumprod: withNumbers((graph, { x }, { axis, exclusive, reverse }) =>
    cumulativeProduct(
      graph,
      x,
      normalizeAxes(axis, x.shape.length)[0],
      exclusive as boolean,
      reverse as boolean,
    ),
  ),
  Softmax: (graph, { logits }, { dim }) =>
    graph.emit("Softmax", [logits], { shape: logits.shape, dtype: "float32" }, { axis: dim as number }),
  LogSoftmax: (graph, { logits }, { axis }) =>
    graph.emit("LogSoftmax", [logits], { shape: logits.shape, dtype: "float32" }, { axis: axis as number }),
  TopK: (graph, { x: given }, { k, sorted }) => {
    const x = asNumber(graph, given);
    const shape = [...x.shape.slice(0, -1), k as number];
    const [values, indices] = graph.emitMany(
      "TopK",
      [x, graph.ints([k as number])],
      [
        { shape, dtype: x.dtype },
        { shape, dtype: "int64" },
      ],
      { axis: -1, largest: 1, sorted: sorted ? 1 : 0 },
    );
    return [cast(graph, values, given.dtype), cast(graph, indices, "int32")];
  },
  UnsortedSegmentSum: (graph, { x, segmentIds }, { numSegments }) => {
    if (segmentIds.shape.length !== 1)
      throw new Error(`jit: unsortedSegmentSum needs segmentIds of rank 1, got [${segmentIds.shape}]`);
    const count = numSegments as number;
    const operands = [cast(graph, x, "float32"), segmentIds];
    return graph.emit(
      "SegmentSum",
      operands,
      { shape: [count, ...x.shape.slice(1)], dtype: "float32" },
      { count },
      OWN,
    );
  },
};
