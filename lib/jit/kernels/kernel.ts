import type { GraphType } from "../element-types.ts";
import { broadcastShape, type Graph, sizeOf, type Value } from "../graph.ts";

/** What tfjs passes beside the inputs; each kernel knows its own. */
export type Attributes = Record<string, unknown>;

/** A traced tfjs kernel: symbolic inputs in, symbolic outputs out. */
export type Kernel = (graph: Graph, inputs: Record<string, Value>, attributes: Attributes) => Value | Value[];

/** Kernels of one family, by tfjs kernel name. */
export type KernelTable = Record<string, Kernel>;

/** Inputs of a kernel that takes any number, in order. */
export const inputList = (inputs: Record<string, Value>): Value[] =>
  Object.keys(inputs)
    .filter((key) => /^\d+$/.test(key))
    .map((key) => inputs[key]);

/** Axes from 0, ascending; all of them when none is given. */
export function normalizeAxes(axis: unknown, rank: number): number[] {
  const axes = axis === undefined || axis === null ? [...Array(rank).keys()] : ([axis].flat() as number[]);
  return axes.map((a) => (a < 0 ? a + rank : a)).sort((a, b) => a - b);
}

const ONNX_TYPE = { float32: 1, int32: 6, int64: 7, bool: 9, float64: 11 } as const;
export const onnxType = (dtype: GraphType): number => ONNX_TYPE[dtype];

export function cast(graph: Graph, value: Value, dtype: GraphType): Value {
  if (value.dtype === dtype) return value;
  return graph.emit("Cast", [value], { shape: value.shape, dtype }, { to: onnxType(dtype) });
}

/** a where the condition holds, else b, all broadcast. */
export function where(graph: Graph, condition: Value, a: Value, b: Value): Value {
  const shape = broadcastShape(condition, { ...a, shape: broadcastShape(a, b) });
  if (a.dtype !== "bool") return graph.emit("Where", [condition, a, b], { shape, dtype: a.dtype });
  // onnxruntime chooses between numbers only.
  const both = (op: string, x: Value, y: Value): Value =>
    graph.emit(op, [x, y], { shape: broadcastShape(x, y), dtype: "bool" });
  const not = graph.emit("Not", [condition], { shape: condition.shape, dtype: "bool" });
  return both("Or", both("And", condition, a), both("And", not, b));
}

/** A constant scalar spread over a shape without storing it. */
export function fill(graph: Graph, shape: number[], value: number, dtype: GraphType): Value {
  const one = graph.scalar(value, dtype);
  return sizeOf(shape) === 1 ? graph.reshape(one, shape) : expand(graph, one, shape);
}

export const expand = (graph: Graph, value: Value, shape: number[]): Value =>
  graph.emit("Expand", [value, graph.ints(shape)], { shape, dtype: value.dtype });

/** A slice with a step per axis: begin inclusive, end exclusive, both already within the array. */
export function slice(
  graph: Graph,
  value: Value,
  begin: number[],
  size: number[],
  strides?: number[],
): Value {
  const steps = strides ?? begin.map(() => 1);
  if (begin.every((b, i) => b === 0 && size[i] === value.shape[i] && (steps[i] === 1 || size[i] === 1)))
    return value;
  const end = begin.map((b, i) => b + (size[i] - 1) * steps[i] + Math.sign(steps[i]));
  // A negative step that ends before index 0 needs an end that ONNX does not read as "from the back".
  const stop = end.map((e, i) => (e < 0 ? -value.shape[i] - 1 : e));
  const operands = [
    value,
    graph.ints(begin),
    graph.ints(stop),
    graph.ints(begin.map((_, i) => i)),
    graph.ints(steps),
  ];
  return graph.emit("Slice", operands, { shape: size, dtype: value.dtype });
}
