/**
 * A traced graph as onnxruntime runs it fastest on a processor: by its own fused operators, and in forms that its kernels
 * are quick with. The portable dialect has only operators of the ONNX standard, for other runtimes.
 */
import { GELU } from "../../../tensor/operations.ts";
import type { Dialect, Rule } from "../../dialect.ts";
import { type Graph, type GraphNode, OWN, sizeOf, type Value } from "../../graph.ts";
import { binary } from "../../kernels/elementwise.ts";
import { cast } from "../../kernels/kernel.ts";
import { expm1, log1p } from "./functions.ts";

/** onnxruntime's own operators. */
const ORT = "com.microsoft";

const own = (rules: Readonly<Record<string, Rule>>): Dialect =>
  Object.fromEntries(Object.entries(rules).map(([op, rule]) => [`${OWN}.${op}`, rule]));

const alphaOf = ({ attributes }: GraphNode): number => (attributes.alpha as { float: number }).float;

/** The last two axes exchanged. */
function transposeLast(graph: Graph, x: Value): Value {
  const rank = x.shape.length;
  const permutation = x.shape.map((_, i) => i);
  permutation[rank - 2] = rank - 1;
  permutation[rank - 1] = rank - 2;
  return graph.transpose(x, permutation);
}

/** A product by the standard's operators. */
const plainMatMul: Rule = (graph, [a, b], node) => {
  const { transA, transB } = node.attributes;
  const [output] = node.outputs;
  const left = transA ? transposeLast(graph, a) : a;
  const right = transB ? transposeLast(graph, b) : b;
  const product = graph.emit("MatMul", [left, right], output);
  const alpha = alphaOf(node);
  return [alpha === 1 ? product : graph.emit("Mul", [product, graph.scalar(alpha)], output)];
};

/** Attention that stores its scores. */
const plainAttention: Rule = (graph, inputs, node) => {
  const heads = node.attributes.heads as number;
  const [batch, tokens, width] = inputs[0].shape;
  const size = width / heads;
  const [queries, keys, values] = inputs.map((x) =>
    graph.transpose(graph.reshape(x, [batch, x.shape[1], heads, size]), [0, 2, 1, 3]),
  );
  const shape = [batch, heads, tokens, inputs[1].shape[1]];
  const product = graph.emit("MatMul", [queries, transposeLast(graph, keys)], { shape, dtype: "float32" });
  const scores = graph.emit("Mul", [product, graph.scalar(1 / Math.sqrt(size))], { shape, dtype: "float32" });
  const weights = graph.emit("Softmax", [scores], { shape, dtype: "float32" }, { axis: -1 });
  const out = graph.emit("MatMul", [weights, values], { shape: queries.shape, dtype: "float32" });
  return [graph.reshape(graph.transpose(out, [0, 2, 1, 3]), inputs[0].shape)];
};

/**
 * Elements from which on a long elementwise formula is computed in parts: about 3 MB, so that its dozen temporaries stay
 * in the processor's cache.
 */
const PART = 786_432;

/** The fewest equal parts of `count` rows of which each has at most `PART` elements. */
function partsOf(rows: number, size: number): number {
  let parts = Math.max(1, Math.ceil(size / PART));
  while (parts < rows && rows % parts !== 0) parts++;
  return Math.min(parts, rows);
}

/** An elementwise function of values of one shape, part by part. */
function inParts(graph: Graph, fn: (...parts: Value[]) => Value, ...values: Value[]): Value {
  const [{ shape, dtype }] = values;
  const count = partsOf(shape[0] ?? 1, sizeOf(shape));
  if (count === 1) return fn(...values);
  const part = { shape: [shape[0] / count, ...shape.slice(1)], dtype };
  const sizes = graph.ints(Array(count).fill(part.shape[0]));
  const split = values.map((value) =>
    graph.emitMany("Split", [value, sizes], Array(count).fill(part), { axis: 0 }),
  );
  const results = split[0].map((_, i) => fn(...split.map((pieces) => pieces[i])));
  return graph.emit("Concat", results, { shape, dtype }, { axis: 0 });
}

/** dy (s + y (1 - s) (scale + 3 cubic scale x^2)), with s the sigmoid that y = x s has. */
function geluGradient(graph: Graph, dy: Value, x: Value, y: Value): Value {
  const mul = (a: Value, b: Value): Value => binary(graph, "Mul", a, b);
  const add = (a: Value, b: Value): Value => binary(graph, "Add", a, b);
  const number = (value: number): Value => graph.scalar(value);
  const squared = mul(x, x);
  const inner = mul(add(mul(squared, number(GELU.scale * GELU.cubic)), number(GELU.scale)), x);
  const share = graph.emit("Sigmoid", [inner], { shape: x.shape, dtype: "float32" });
  const slope = add(mul(squared, number(3 * GELU.scale * GELU.cubic)), number(GELU.scale));
  const rest = graph.emit("Sub", [number(1), share], { shape: x.shape, dtype: "float32" });
  return mul(dy, add(share, mul(mul(y, rest), slope)));
}

/** Fewer rows than this are summed as fast at once. */
const MANY_ROWS = 128;

/**
 * The sum of the leading axes (a bias gradient) in two steps, over groups of rows and then over the groups: onnxruntime
 * adds rows of a matrix one column after the other, but rows within groups side by side.
 */
const sum: Rule = (graph, [x, axesValue], node) => {
  const [output] = node.outputs;
  const axes = Array.from(node.inputs[1].data as BigInt64Array, Number);
  const whole = (): Value[] => [graph.emit("ReduceSum", [x, axesValue], output, node.attributes)];
  const [first, last] = [axes[0], axes[axes.length - 1]];
  const rows = sizeOf(axes.map((axis) => x.shape[axis]));
  const width = sizeOf(x.shape.slice(last + 1));
  const leading = last - first + 1 === axes.length && sizeOf(x.shape.slice(0, first)) === 1;
  if (x.dtype !== "float32" || !leading || rows < MANY_ROWS || width < 2) return whole();
  let groups = Math.max(8, Math.floor(rows / 512));
  while (rows % groups !== 0) groups--;
  if (groups === 1) return whole();
  const over = (value: Value, axis: number): Value =>
    graph.emit(
      "ReduceSum",
      [value, graph.ints([axis])],
      { shape: value.shape.filter((_, i) => i !== axis), dtype: "float32" },
      { keepdims: 0 },
    );
  const grouped = over(graph.reshape(x, [groups, rows / groups, width]), 1);
  // Where there are as many rows as groups, each of them is one.
  const total = over(grouped, 0);
  return [graph.reshape(total, output.shape)];
};

/** Rows by segment, as a product with the matrix of who belongs where: faster than scattered adds at an embedding's size. */
const segmentSum: Rule = (graph, [x, segmentIds], { attributes }) => {
  const count = attributes.count as number;
  const [rows] = segmentIds.shape;
  const range = Int32Array.from({ length: count }, (_, i) => i);
  const ids = graph.reshape(segmentIds, [1, rows]);
  const member = binary(graph, "Equal", graph.constant(range, [count, 1], "int32"), ids, "bool");
  const rest = x.shape.slice(1);
  const flat = graph.reshape(x, [rows, sizeOf(rest)]);
  const operands = [cast(graph, member, "float32"), flat];
  const total = graph.emit("MatMul", operands, { shape: [count, sizeOf(rest)], dtype: "float32" });
  return [graph.reshape(total, [count, ...rest])];
};

/** A loop as the standard has it: from iteration, condition and state to condition and state. */
const loop: Rule = (graph, [count, ...state], node, rewrite) => {
  const outputs = node.outputs;
  const times = graph.emit("Cast", [count], { shape: [], dtype: "int64" }, { to: 7 });
  const always = graph.constant(Uint8Array.of(1), [], "bool");
  return graph.nest("Loop", [times, always, ...state], outputs, (inner) => {
    const iteration = inner.input(graph.name("iteration"), [], "int64");
    const going = inner.input(graph.name("going"), [], "bool");
    const before = state.map(({ shape, dtype }) => inner.input(graph.name("state"), shape, dtype));
    const index = inner.emit("Cast", [iteration], { shape: [], dtype: "int32" }, { to: 6 });
    const after = rewrite(inner, [index, ...before]);
    // A body's results have names of their own.
    return [going, ...after].map((value) =>
      inner.emit("Identity", [value], { shape: value.shape, dtype: value.dtype }),
    );
  });
};

/** What both dialects have. */
const common: Dialect = {
  ReduceSum: sum,
  ...own({
    LayerNorm: (graph, [x], { outputs: [normalized, inverse], attributes: { epsilon } }) => {
      const width = x.shape[x.shape.length - 1];
      const ones = graph.constant(new Float32Array(width).fill(1), [width], "float32");
      const outputs = [normalized, inverse, inverse];
      const made = graph.emitMany("LayerNormalization", [x, ones], outputs, { axis: -1, epsilon });
      return [made[0], made[2]];
    },
    ModulatedLayerNorm: (graph, inputs, { outputs: [output], attributes: { epsilon } }) => [
      graph.emit("LayerNormalization", inputs, output, { axis: -1, epsilon }),
    ],
    Gelu: (graph, [x], { outputs: [output] }) => [graph.emit("Gelu", [x], output, { approximate: "tanh" })],
    GeluGradient: (graph, inputs) => [inParts(graph, (dy, x, y) => geluGradient(graph, dy, x, y), ...inputs)],
    After: (graph, [x, ...after]) => {
      const int64 = { shape: [], dtype: "int64" as const };
      const sizes = after.map((value) => graph.emit("Size", [value], int64));
      const largest = sizes.length === 1 ? sizes[0] : graph.emit("Max", sizes, int64);
      const zero = graph.constant(BigInt64Array.of(0n), [], "int64");
      // Never true, but no optimizer knows that.
      const no = graph.emit("Less", [largest, zero], { shape: [], dtype: "bool" });
      return [binary(graph, "Add", x, cast(graph, no, x.dtype))];
    },
    SegmentSum: segmentSum,
    Loop: loop,
    Log1p: log1p,
    Expm1: expm1,
  }),
};

/** With operators of the ONNX standard alone. */
export const PORTABLE: Dialect = {
  ...common,
  ...own({ ScaledMatMul: plainMatMul, MultiHeadAttention: plainAttention }),
};

export const ONNXRUNTIME: Dialect = {
  ...common,
  ...own({
    ScaledMatMul: (graph, inputs, node, rewrite) =>
      inputs[0].dtype === "float32"
        ? [graph.emit("FusedMatMul", inputs, node.outputs[0], node.attributes, ORT)]
        : plainMatMul(graph, inputs, node, rewrite),
    MultiHeadAttention: (graph, inputs, { outputs: [output], attributes: { heads } }) => [
      graph.emit("MultiHeadAttention", inputs, output, { num_heads: heads }, ORT),
    ],
  }),
};
