/** Kernels that move, cut, join, repeat or create arrays. */
import { type DataType, tf } from "../../tensor/tf.ts";
import { type GraphType, graphData } from "../element-types.ts";
import { type Graph, sizeOf, type Value } from "../graph.ts";
import { refuseBool, stored } from "./dtypes.ts";
import { cast, expand, fill, inputList, type KernelTable, normalizeAxes, slice, where } from "./kernel.ts";

function concat(graph: Graph, parts: Value[], axis: number): Value {
  const kept = parts.filter((part) => sizeOf(part.shape) > 0);
  const shape = parts[0].shape.slice();
  shape[axis] = parts.reduce((sum, part) => sum + part.shape[axis], 0);
  if (kept.length === 0) return graph.reshape(parts[0], shape);
  if (kept.length === 1) return kept[0];
  return graph.emit("Concat", kept, { shape, dtype: parts[0].dtype }, { axis });
}

/** Numbers of one type as tfjs stores them in an array of another. */
function converted(graph: Graph, x: Value, dtype: GraphType): Value {
  if (dtype === "bool" && x.dtype !== "bool") refuseBool("joining numbers to the end");
  return x.dtype === "float32" ? stored(graph, x, dtype) : cast(graph, x, dtype);
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
  if (x.dtype === "bool" && value !== 0 && value !== 1) refuseBool(`padding with ${value}`);
  const amounts = graph.ints([...paddings.map((p) => p[0]), ...paddings.map((p) => p[1])]);
  const shape = x.shape.map((d, i) => d + paddings[i][0] + paddings[i][1]);
  const operands = mode === "constant" ? [x, amounts, graph.scalar(value, x.dtype)] : [x, amounts];
  return graph.emit("Pad", operands, { shape, dtype: x.dtype }, { mode });
}

const typeOf = ({ shape, dtype }: Value): Pick<Value, "shape" | "dtype"> => ({ shape, dtype });

/** Entries of one axis by constant indices. */
export function take(graph: Graph, x: Value, indices: Int32Array, axis: number): Value {
  const shape = x.shape.map((d, i) => (i === axis ? indices.length : d));
  const operands = [x, graph.constant(indices, [indices.length], "int32")];
  return graph.emit("Gather", operands, { shape, dtype: x.dtype }, { axis });
}

/** x [batch.., outer.., n, inner..] by indices [batch.., k..] along `axis` -> [batch.., outer.., k.., inner..]. */
function gather(graph: Graph, x: Value, indices: Value, axis: number, batchDims: number): Value {
  const chosen = indices.shape.slice(batchDims);
  const shape = [...x.shape.slice(0, axis), ...chosen, ...x.shape.slice(axis + 1)];
  if (batchDims === 0) return graph.emit("Gather", [x, indices], { shape, dtype: x.dtype }, { axis });
  // GatherND takes whole entries behind the batch axes: the axis goes there and the outer ones come back after.
  const axes = x.shape.map((_, i) => i);
  const [batch, outer, inner] = [axes.slice(0, batchDims), axes.slice(batchDims, axis), axes.slice(axis + 1)];
  const moved = graph.transpose(x, [...batch, axis, ...outer, ...inner]);
  const entries = cast(graph, graph.reshape(indices, [...indices.shape, 1]), "int64");
  const gathered = graph.emit(
    "GatherND",
    [moved, entries],
    { shape: [...indices.shape, ...[...outer, ...inner].map((i) => x.shape[i])], dtype: x.dtype },
    { batch_dims: batchDims },
  );
  const back = gathered.shape.map((_, i) => i);
  const [k, o] = [chosen.length, outer.length];
  return graph.transpose(gathered, [
    ...back.slice(0, batchDims),
    ...back.slice(batchDims + k, batchDims + k + o),
    ...back.slice(batchDims, batchDims + k),
    ...back.slice(batchDims + k + o),
  ]);
}

/** As tfjs: each element is the rounded one before it plus the step. */
function progression(graph: Graph, first: number, by: number, count: number, dtype: GraphType): Value {
  const values = graphData(new Array<number>(count).fill(first), dtype) as Float32Array;
  for (let i = 1; i < count; i++) values[i] = values[i - 1] + by;
  return graph.constant(values, [count], dtype);
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
    // Both may be one number, or name the leading axes alone.
    const [from, sizes] = tf.slice_util.parseSliceParams(
      x as unknown as Parameters<typeof tf.slice_util.parseSliceParams>[0],
      begin as number[],
      size as number[],
    );
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
    // tfjs stores all parts in an array of the first one's type.
    const [first, ...others] = inputList(inputs);
    const parts = [first, ...others.map((part) => converted(graph, part, first.dtype))];
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
    if (parts.some(({ dtype }) => dtype !== parts[0].dtype))
      throw new TypeError("All tensors passed to stack must have matching dtypes");
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
    const amounts = paddings as [number, number][];
    if (mode === "reflect") return pad(graph, x, amounts, 0, "reflect");
    // ONNX has no mirror that repeats the edge.
    return amounts.reduce((value, [before, after], axis) => {
      const size = x.shape[axis];
      const source = Int32Array.from({ length: before + size + after }, (_, i) => {
        const at = i - before;
        return at < 0 ? -1 - at : at < size ? at : 2 * size - 1 - at;
      });
      return before + after === 0 ? value : take(graph, value, source, axis);
    }, x);
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
  GatherV2: (graph, { x, indices }, { axis, batchDims }) =>
    gather(
      graph,
      x,
      indices,
      normalizeAxes(axis, x.shape.length)[0],
      normalizeAxes(batchDims ?? 0, indices.shape.length)[0] ?? 0,
    ),
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
  TensorScatterUpdate: (graph, { tensor, indices, updates }) =>
    graph.emit("ScatterND", [tensor, cast(graph, indices, "int64"), updates], typeOf(tensor)),
  OneHot: (graph, { indices }, { depth, onValue, offValue, dtype }) => {
    // ONNX's OneHot counts negative indices from the back; tfjs gives them, like all outside the range, no mark.
    const type = (dtype ?? "float32") as GraphType;
    const range = Int32Array.from({ length: depth as number }, (_, i) => i);
    const column = graph.reshape(cast(graph, indices, "int32"), [...indices.shape, 1]);
    const operands = [column, graph.constant(range, [range.length], "int32")];
    const shape = [...indices.shape, range.length];
    const hit = graph.emit("Equal", operands, { shape, dtype: "bool" });
    return where(graph, hit, graph.scalar(onValue as number, type), graph.scalar(offValue as number, type));
  },
  Diag: (graph, { x }) => {
    const size = sizeOf(x.shape);
    const range = Int32Array.from({ length: size }, (_, i) => i);
    const [rows, columns] = [
      graph.constant(range, [size, 1], "int32"),
      graph.constant(range, [1, size], "int32"),
    ];
    const hit = graph.emit("Equal", [rows, columns], { shape: [size, size], dtype: "bool" });
    const square = where(graph, hit, graph.reshape(x, [1, size]), graph.scalar(0, x.dtype));
    return graph.reshape(square, [...x.shape, ...x.shape]);
  },
  Fill: (graph, _, { shape, value, dtype }) =>
    fill(graph, shape as number[], value as number, ((dtype as DataType) ?? "float32") as GraphType),
  Range: (graph, _, { start, stop, step, dtype }) => {
    const [first, last, given] = [start, stop, step] as number[];
    const type = ((dtype as DataType) ?? "float32") as GraphType;
    const by = last < first && given === 1 ? -1 : given; // tfjs's default step counts down, too
    const count = Math.max(0, Math.ceil((last - first) / by));
    return progression(graph, first, by, count, type);
  },
  LinSpace: (graph, _, { start, stop, num }) => {
    const [first, last, count] = [start, stop, num] as number[];
    return progression(graph, first, (last - first) / (count - 1), count, "float32");
  },
  DepthToSpace: (graph, { x }, { blockSize, dataFormat }) => {
    if (dataFormat !== "NHWC")
      throw new Error(`jit: depthToSpace of dataFormat '${dataFormat}' is not supported; expected 'NHWC'`);
    const block = blockSize as number;
    const [n, h, w, c] = x.shape;
    const depth = c / (block * block);
    const apart = graph.reshape(x, [n, h, w, block, block, depth]);
    return graph.reshape(graph.transpose(apart, [0, 1, 3, 2, 4, 5]), [n, h * block, w * block, depth]);
  },
  SpaceToBatchND: (graph, { x }, { blockShape, paddings }) => {
    const block = blockShape as number[];
    const amounts = [[0, 0], ...(paddings as number[][])] as [number, number][];
    while (amounts.length < x.shape.length) amounts.push([0, 0]);
    const padded = pad(graph, x, amounts, 0);
    const { getReshaped, getPermuted, getReshapedPermuted } = tf.backend_util;
    const apart = graph.reshape(padded, getReshaped(padded.shape, block, sizeOf(block), false));
    const moved = graph.transpose(apart, getPermuted(apart.shape.length, block.length, false));
    return graph.reshape(moved, getReshapedPermuted(padded.shape, block, sizeOf(block), false));
  },
  BatchToSpaceND: (graph, { x }, { blockShape, crops }) => {
    const block = blockShape as number[];
    const { getReshaped, getPermuted, getReshapedPermuted } = tf.backend_util;
    const apart = graph.reshape(x, getReshaped(x.shape, block, sizeOf(block)));
    const moved = graph.transpose(apart, getPermuted(apart.shape.length, block.length));
    const joined = graph.reshape(moved, getReshapedPermuted(x.shape, block, sizeOf(block)));
    const cut = [[0, 0], ...(crops as number[][])];
    while (cut.length < x.shape.length) cut.push([0, 0]);
    const size = joined.shape.map((d, i) => d - cut[i][0] - cut[i][1]);
    return slice(
      graph,
      joined,
      cut.map(([before]) => before),
      size,
    );
  },
};
