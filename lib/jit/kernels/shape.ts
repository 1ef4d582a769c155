/** Kernels that move, cut, join, repeat or create arrays. */
import { type DataType, tf } from "../../tensor/tf.ts";
import { type Graph, type GraphType, graphData, sizeOf, type Value } from "../graph.ts";
import { cast, expand, fill, inputList, type KernelTable, normalizeAxes, slice } from "./kernel.ts";

function concat(graph: Graph, parts: Value[], axis: number): Value {
  const kept = parts.filter((part) => sizeOf(part.shape) > 0);
  const shape = parts[0].shape.slice();
  shape[axis] = parts.reduce((sum, part) => sum + part.shape[axis], 0);
  if (kept.length === 1) return kept[0];
  return graph.emit("Concat", kept, { shape, dtype: parts[0].dtype }, { axis });
}

function split(graph: Graph, x: Value, sizes: number[], axis: number): Value[] {
  if (sizes.length === 1) return [x];
  const outputs = sizes.map((n) => ({ shape: x.shape.map((d, i) => (i === axis ? n : d)), dtype: x.dtype }));
  return graph.emitMany("Split", [x, graph.ints(sizes)], outputs, { axis });
}

export function pad(
  graph: Graph,
  x: Value,
  paddings: [number, number][],
  value: number,
  mode = "constant",
): Value {
  if (paddings.every(([before, after]) => before === 0 && after === 0)) return x;
  const amounts = graph.ints([...paddings.map((p) => p[0]), ...paddings.map((p) => p[1])]);
  const shape = x.shape.map((d, i) => d + paddings[i][0] + paddings[i][1]);
  const operands = mode === "constant" ? [x, amounts, graph.scalar(value, x.dtype)] : [x, amounts];
  return graph.emit("Pad", operands, { shape, dtype: x.dtype }, { mode });
}

export const shapes: KernelTable = {
  Reshape: (graph, { x }, { shape }) =>
    graph.reshape(x, tf.util.inferFromImplicitShape(shape as number[], sizeOf(x.shape))),
  ExpandDims: (graph, { input }, { dim }) => {
    const shape = input.shape.slice();
    const axis = dim as number;
    shape.splice(axis < 0 ? shape.length + axis + 1 : axis, 0, 1);
    return graph.reshape(input, shape);
  },
  Transpose: (graph, { x }, { perm }) => graph.transpose(x, perm as number[]),
  Slice: (graph, { x }, { begin, size }) => {
    const from = begin as number[];
    const sizes = (size as number[]).map((d, i) => (d === -1 ? x.shape[i] - from[i] : d));
    return slice(graph, x, from, sizes);
  },
  StridedSlice: (graph, { x }, attributes) => {
    const a = attributes as {
      begin: number[];
      end: number[];
      strides: number[];
      beginMask: number;
      endMask: number;
      ellipsisMask: number;
      newAxisMask: number;
      shrinkAxisMask: number;
    };
    const info = tf.slice_util.sliceInfo(
      x.shape,
      a.begin,
      a.end,
      a.strides,
      a.beginMask,
      a.endMask,
      a.ellipsisMask,
      a.newAxisMask,
      a.shrinkAxisMask,
    );
    const size = info.finalShapeSparse.length === 0 ? [] : undefined;
    const lengths = info.begin.map((b, i) => Math.max(0, Math.ceil((info.end[i] - b) / info.strides[i])));
    if (lengths.some((n) => n === 0)) throw new Error(`jit: stridedSlice of [${x.shape}] selects nothing`);
    const cut = slice(graph, x, info.begin, lengths, info.strides);
    return graph.reshape(cut, size ?? info.finalShape);
  },
  Concat: (graph, inputs, { axis }) => {
    const parts = inputList(inputs);
    return concat(graph, parts, normalizeAxes(axis, parts[0].shape.length)[0]);
  },
  SplitV: (graph, { x }, { numOrSizeSplits, axis }) => {
    const [along] = normalizeAxes(axis, x.shape.length);
    const total = x.shape[along];
    if (typeof numOrSizeSplits === "number") {
      return split(graph, x, Array(numOrSizeSplits).fill(total / numOrSizeSplits), along);
    }
    const sizes = numOrSizeSplits as number[];
    const known = sizes.reduce((sum, n) => sum + Math.max(n, 0), 0);
    return split(
      graph,
      x,
      sizes.map((n) => (n === -1 ? total - known : n)),
      along,
    );
  },
  Pack: (graph, inputs, { axis }) => {
    const parts = inputList(inputs);
    const [along] = normalizeAxes(axis, parts[0].shape.length + 1);
    const widened = parts.map((part) => {
      const shape = part.shape.slice();
      shape.splice(along, 0, 1);
      return graph.reshape(part, shape);
    });
    return concat(graph, widened, along);
  },
  Unpack: (graph, { value }, { axis }) => {
    const [along] = normalizeAxes(axis, value.shape.length);
    const shape = value.shape.filter((_, i) => i !== along);
    return split(graph, value, Array(value.shape[along]).fill(1), along).map((part) =>
      graph.reshape(part, shape),
    );
  },
  PadV2: (graph, { x }, { paddings, constantValue }) =>
    pad(graph, x, paddings as [number, number][], constantValue as number),
  MirrorPad: (graph, { x }, { paddings, mode }) => {
    if (mode !== "reflect")
      throw new Error(`jit: mirrorPad mode '${mode}' is not supported; expected 'reflect'`);
    return pad(graph, x, paddings as [number, number][], 0, "reflect");
  },
  Tile: (graph, { x }, { reps }) => {
    const times = reps as number[];
    const shape = x.shape.map((d, i) => d * times[i]);
    // Repeating axes of size 1 is a broadcast, which copies less than Tile.
    if (x.shape.every((d, i) => d === 1 || times[i] === 1)) return expand(graph, x, shape);
    return graph.emit("Tile", [x, graph.ints(times)], { shape, dtype: x.dtype });
  },
  BroadcastTo: (graph, { x }, { shape }) => expand(graph, x, shape as number[]),
  Reverse: (graph, { x }, { dims }) => {
    const axes = normalizeAxes(dims, x.shape.length);
    const begin = x.shape.map((d, i) => (axes.includes(i) ? d - 1 : 0));
    const strides = x.shape.map((_, i) => (axes.includes(i) ? -1 : 1));
    return slice(graph, x, begin, x.shape, strides);
  },
  GatherV2: (graph, { x, indices }, { axis, batchDims }) => {
    if (batchDims) throw new Error("jit: gather with batchDims is not supported; expected batchDims 0");
    const [along] = normalizeAxes(axis, x.shape.length);
    const shape = [...x.shape.slice(0, along), ...indices.shape, ...x.shape.slice(along + 1)];
    return graph.emit("Gather", [x, indices], { shape, dtype: x.dtype }, { axis: along });
  },
  GatherNd: (graph, { params, indices }) => {
    const depth = indices.shape[indices.shape.length - 1];
    const shape = [...indices.shape.slice(0, -1), ...params.shape.slice(depth)];
    return graph.emit("GatherND", [params, cast(graph, indices, "int64")], { shape, dtype: params.dtype });
  },
  ScatterNd: (graph, { indices, updates }, { shape }) => {
    const target = shape as number[];
    const zero = fill(graph, target, 0, updates.dtype);
    const operands = [zero, cast(graph, indices, "int64"), updates];
    return graph.emit("ScatterND", operands, { shape: target, dtype: updates.dtype }, { reduction: "add" });
  },
  OneHot: (graph, { indices }, { depth, onValue, offValue, dtype }) => {
    const type = (dtype ?? "float32") as GraphType;
    const values = graph.constant(
      graphData([offValue as number, onValue as number], "float32"),
      [2],
      "float32",
    );
    // onnxruntime has OneHot for int32 indices only together with an int32 depth.
    const operands = [cast(graph, indices, "int32"), graph.scalar(depth as number, "int32"), values];
    const shape = [...indices.shape, depth as number];
    return cast(graph, graph.emit("OneHot", operands, { shape, dtype: "float32" }, { axis: -1 }), type);
  },
  Fill: (graph, _, { shape, value, dtype }) =>
    fill(graph, shape as number[], value as number, ((dtype as DataType) ?? "float32") as GraphType),
  Range: (graph, _, { start, stop, step, dtype }) => {
    const [first, last, by] = [start, stop, step] as number[];
    const count = Math.max(0, Math.ceil((last - first) / by));
    const type = ((dtype as DataType) ?? "float32") as GraphType;
    return graph.constant(
      graphData(
        Array.from({ length: count }, (_, i) => first + i * by),
        type,
      ),
      [count],
      type,
    );
  },
  LinSpace: (graph, _, { start, stop, num }) => {
    const [first, last, count] = [start, stop, num] as number[];
    const values = Float32Array.from(
      { length: count },
      (_, i) => first + (i * (last - first)) / Math.max(1, count - 1),
    );
    return graph.constant(values, [count], "float32");
  },
};
