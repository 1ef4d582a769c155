/** Reductions, cumulative sums, softmax and sorting kernels. */
import { type Graph, sizeOf, type Value } from "../graph.ts";
import { binary } from "./elementwise.ts";
import { type Attributes, cast, type Kernel, type KernelTable, normalizeAxes } from "./kernel.ts";

function reduce(graph: Graph, op: string, x: Value, { axis, keepDims }: Attributes): Value {
  const axes = normalizeAxes(axis, x.shape.length);
  const shape = keepDims
    ? x.shape.map((d, i) => (axes.includes(i) ? 1 : d))
    : x.shape.filter((_, i) => !axes.includes(i));
  if (axes.every((i) => x.shape[i] === 1)) return graph.reshape(x, shape);
  return graph.emit(op, [x, graph.ints(axes)], { shape, dtype: x.dtype }, { keepdims: keepDims ? 1 : 0 });
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

const extremum =
  (op: string): Kernel =>
  (graph, { x }, { axis }) => {
    const [along] = normalizeAxes(axis ?? 0, x.shape.length);
    const shape = x.shape.filter((_, i) => i !== along);
    const index = graph.emit(op, [x], { shape, dtype: "int64" }, { axis: along, keepdims: 0 });
    return cast(graph, index, "int32");
  };

export const reductions: KernelTable = {
  Sum: (graph, { x }, attributes) =>
    reduce(graph, "ReduceSum", x.dtype === "bool" ? cast(graph, x, "int32") : x, attributes),
  Mean: (graph, { x }, attributes) => reduce(graph, "ReduceMean", cast(graph, x, "float32"), attributes),
  Prod: reduction("ReduceProd"),
  Max: (graph, { x }, { reductionIndices, axis, ...rest }) =>
    reduce(graph, "ReduceMax", x, { axis: reductionIndices ?? axis, ...rest }),
  Min: reduction("ReduceMin"),
  All: logical("ReduceMin"),
  Any: logical("ReduceMax"),
  ArgMax: extremum("ArgMax"),
  ArgMin: extremum("ArgMin"),
  Cumsum: (graph, { x }, { axis, exclusive, reverse }) =>
    graph.emit(
      "CumSum",
      [x, graph.constant(BigInt64Array.of(BigInt(normalizeAxes(axis, x.shape.length)[0])), [], "int64")],
      { shape: x.shape, dtype: x.dtype },
      { exclusive: exclusive ? 1 : 0, reverse: reverse ? 1 : 0 },
    ),
  Softmax: (graph, { logits }, { dim }) =>
    graph.emit("Softmax", [logits], { shape: logits.shape, dtype: "float32" }, { axis: dim as number }),
  LogSoftmax: (graph, { logits }, { axis }) =>
    graph.emit("LogSoftmax", [logits], { shape: logits.shape, dtype: "float32" }, { axis: axis as number }),
  TopK: (graph, { x }, { k, sorted }) => {
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
    return [values, cast(graph, indices, "int32")];
  },
  UnsortedSegmentSum: (graph, { x, segmentIds }, { numSegments }) => {
    // As a product with the one-hot segment matrix: exact, and faster than scattered adds at the sizes embeddings have.
    const count = numSegments as number;
    const rows = segmentIds.shape[0];
    const ids = graph.reshape(segmentIds, [1, rows]);
    const range = graph.constant(
      Int32Array.from({ length: count }, (_, i) => i),
      [count, 1],
      "int32",
    );
    const member = cast(graph, binary(graph, "Equal", range, ids, "bool"), "float32");
    const flat = graph.reshape(cast(graph, x, "float32"), [rows, sizeOf(x.shape) / rows]);
    const sum = graph.emit("MatMul", [member, flat], { shape: [count, flat.shape[1]], dtype: "float32" });
    return cast(graph, graph.reshape(sum, [count, ...x.shape.slice(1)]), x.dtype);
  },
};
