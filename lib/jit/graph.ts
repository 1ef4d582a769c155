/** A graph under construction: ONNX nodes with known shapes, written by the tracing backend's kernels. */
import { currentScope } from "../tensor/scope.ts";
import { type DataType, tf } from "../tensor/tf.ts";

/** Element types of graph values: the tensors' own, and int64 for ONNX's shape and axis operands. */
export type GraphType = "float32" | "float64" | "int32" | "bool" | "int64";
export type GraphData = Float32Array | Float64Array | Int32Array | Uint8Array | BigInt64Array;

/** A symbolic array: an input, a constant or a node's output. */
export interface Value {
  name: string;
  shape: number[];
  dtype: GraphType;
  /** Present on constants. */
  data?: GraphData;
  /** The node that makes it, absent for inputs and constants. */
  node?: GraphNode;
}

/** An ONNX attribute; a plain number is an integer, so floats are marked. */
export type Attribute = number | number[] | string | { float: number };
export const float = (value: number): Attribute => ({ float: value });

export interface GraphNode {
  op: string;
  domain: string;
  inputs: Value[];
  outputs: Value[];
  attributes: Record<string, Attribute>;
  /** The part of the model that it belongs to, as `namedScope` has it. */
  scope: string;
  /** What a loop repeats. */
  body?: Body;
}

/** A graph within a node. */
export interface Body {
  nodes: GraphNode[];
  inputs: Value[];
  outputs: Value[];
  /** Values from outside that it reads. */
  captures: Value[];
}

/** All values that a node reads. */
export const reads = ({ inputs, body }: GraphNode): Value[] =>
  body ? [...inputs, ...body.captures] : inputs;

export type ValueType = Pick<Value, "shape" | "dtype">;

export interface Graph {
  /** With `portable`, only operators of the ONNX standard are used, none of onnxruntime's own. */
  readonly portable: boolean;
  readonly nodes: GraphNode[];
  readonly inputs: Value[];
  input(name: string, shape: number[], dtype: GraphType): Value;
  constant(data: GraphData, shape: number[], dtype: GraphType): Value;
  /** A constant int64 vector, as shape and axes operands want. */
  ints(values: readonly number[]): Value;
  scalar(value: number, dtype?: GraphType): Value;
  /** Adds a node with one output; equal nodes are made once. */
  emit(
    op: string,
    inputs: Value[],
    output: ValueType,
    attributes?: Record<string, Attribute>,
    domain?: string,
  ): Value;
  emitMany(
    op: string,
    inputs: Value[],
    outputs: ValueType[],
    attributes?: Record<string, Attribute>,
    domain?: string,
    scope?: string,
  ): Value[];
  /**
   * Repeats `body` `count` times (int32, a scalar) on values of unchanging shapes; it gets a graph for what it adds,
   * the iteration's number from 0 (int32, a scalar) and the values.
   */
  loop(count: Value, state: Value[], body: (inner: Graph, index: Value, state: Value[]) => Value[]): Value[];
  /** What `body` adds to a graph for values like these, as a function that adds it for others. */
  piece(
    like: readonly ValueType[],
    body: (inner: Graph, standIns: Value[]) => Value[],
  ): (inputs: readonly Value[]) => Value[];
  reshape(value: Value, shape: number[]): Value;
  transpose(value: Value, permutation: number[]): Value;
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, d) => product * d, 1);
export const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((d, i) => d === b[i]);

const DTYPES: readonly string[] = ["float32", "int32", "bool"];

/** Checks that a tensor's dtype can be part of a graph. */
export function graphType(dtype: DataType, what: string): GraphType {
  if (!DTYPES.includes(dtype))
    throw new TypeError(`jit: ${what} has dtype ${dtype}; expected ${DTYPES.join(", ")}`);
  return dtype as GraphType;
}

/** Converts host values to the typed array of a dtype. */
export function graphData(values: ArrayLike<number> | GraphData, dtype: GraphType): GraphData {
  const numbers = values as ArrayLike<number>;
  if (dtype === "float32") return values instanceof Float32Array ? values : Float32Array.from(numbers);
  if (dtype === "int32") return values instanceof Int32Array ? values : Int32Array.from(numbers);
  if (dtype === "bool") return values instanceof Uint8Array ? values : Uint8Array.from(numbers);
  return values as BigInt64Array;
}

/** Only constants this small are shared: comparing large ones would cost more than it saves. */
const SHARED_CONSTANT_SIZE = 64;

/** What a graph shares with those inside it: a source of names, constants, and the nodes made so far. */
interface Outer {
  name(prefix: string): string;
  constants: Map<string, Value>;
  made(key: string): Value[] | undefined;
}

function newOuter(): Outer {
  let count = 0;
  return { name: (prefix) => `${prefix}${count++}`, constants: new Map(), made: () => undefined };
}

/** The scope under way. Sums of gradients, which tfjs makes between them, belong to what they add. */
const scopeOf = (inputs: readonly Value[]): string =>
  currentScope() || (inputs.find(({ node }) => node?.scope)?.node?.scope ?? "");

export function createGraph(portable = false, outer = newOuter()): Graph {
  const nodes: GraphNode[] = [];
  const inputs: Value[] = [];
  const own = new Map<string, Value[]>();
  const made = (key: string) => own.get(key) ?? outer.made(key);

  const graph: Graph = {
    portable,
    nodes,
    inputs,
    input(name, shape, dtype) {
      const value = { name, shape, dtype };
      inputs.push(value);
      return value;
    },
    constant(data, shape, dtype) {
      const value = { name: outer.name("c"), shape, dtype, data };
      if (data.length > SHARED_CONSTANT_SIZE) return value;
      // Object.is tells -0 from 0; String() would not.
      const key = `${dtype}[${shape}]${Array.from(data as ArrayLike<number>, (x) => (Object.is(x, -0) ? "-0" : x))}`;
      const shared = outer.constants.get(key) ?? value;
      outer.constants.set(key, shared);
      return shared;
    },
    ints: (values) => graph.constant(BigInt64Array.from(values, BigInt), [values.length], "int64"),
    scalar: (value, dtype = "float32") => graph.constant(graphData([value], dtype), [], dtype),
    emit: (op, ins, output, attributes, domain) => graph.emitMany(op, ins, [output], attributes, domain)[0],
    emitMany(op, ins, outs, attributes = {}, domain = "", scope = scopeOf(ins)) {
      const key = JSON.stringify([domain, op, ins.map((v) => v.name), attributes, outs.length]);
      const existing = made(key);
      if (existing) return existing;
      const node: GraphNode = { op, domain, inputs: ins, outputs: [], attributes, scope };
      node.outputs = outs.map(({ shape, dtype }) => ({ name: outer.name("v"), shape, dtype, node }));
      nodes.push(node);
      own.set(key, node.outputs);
      return node.outputs;
    },
    loop(times, state, body) {
      const inner = createGraph(portable, { ...outer, made });
      const iteration = inner.input(outer.name("iteration"), [], "int64");
      const going = inner.input(outer.name("going"), [], "bool");
      const before = state.map(({ shape, dtype }) => inner.input(outer.name("state"), shape, dtype));
      const index = inner.emit("Cast", [iteration], { shape: [], dtype: "int32" }, { to: 6 });
      const after = body(inner, index, before);
      after.forEach((value, i) => {
        if (!sameShape(value.shape, state[i].shape) || value.dtype !== state[i].dtype)
          throw new Error(
            `jit: a loop's state must keep its shapes and dtypes; value ${i} was ${describe(state[i])} and became ${describe(value)}`,
          );
      });
      const outputs = [going, ...after].map((value) =>
        inner.emit("Identity", [value], { shape: value.shape, dtype: value.dtype }),
      );
      const live = liveGraph(inner, outputs).nodes;
      const inside = new Set([...inner.inputs, ...live.flatMap((node) => node.outputs)]);
      const captures = [...new Set(live.flatMap(reads))].filter((value) => !inside.has(value));
      const node: GraphNode = {
        op: "Loop",
        domain: "",
        inputs: [
          graph.emit("Cast", [times], { shape: [], dtype: "int64" }, { to: 7 }),
          graph.constant(Uint8Array.of(1), [], "bool"),
          ...state,
        ],
        outputs: [],
        attributes: {},
        scope: currentScope(),
        body: { nodes: live, inputs: inner.inputs, outputs, captures },
      };
      node.outputs = state.map(({ shape, dtype }) => ({ name: outer.name("v"), shape, dtype, node }));
      nodes.push(node);
      return node.outputs;
    },
    piece(like, body) {
      const inner = createGraph(portable, { ...outer, made });
      const standIns = like.map(({ shape, dtype }) => inner.input(outer.name("part"), shape, dtype));
      const results = body(inner, standIns);
      const { nodes: recorded } = liveGraph(inner, results);
      if (recorded.some((node) => node.body))
        throw new Error("jit: a loop within traceOnce cannot be copied");
      return (ins) => {
        const copies = new Map(standIns.map((standIn, i) => [standIn, ins[i]]));
        const copyOf = (value: Value): Value => copies.get(value) ?? value;
        for (const { op, inputs: from, outputs, attributes, domain, scope } of recorded) {
          const added = graph.emitMany(op, from.map(copyOf), outputs, attributes, domain, scope);
          outputs.forEach((output, i) => {
            copies.set(output, added[i]);
          });
        }
        return results.map(copyOf);
      };
    },
    reshape(value, shape) {
      // A reshape of a reshape reads the original.
      const source = value.node?.op === "Reshape" ? value.node.inputs[0] : value;
      if (sameShape(source.shape, shape)) return source;
      return graph.emit("Reshape", [source, graph.ints(shape)], { shape, dtype: source.dtype });
    },
    transpose(value, permutation) {
      let source = value;
      let perm = permutation;
      if (value.node?.op === "Transpose") {
        const inner = value.node.attributes.perm as number[];
        source = value.node.inputs[0];
        perm = permutation.map((p) => inner[p]);
      }
      if (perm.every((p, i) => p === i)) return source;
      const shape = perm.map((p) => source.shape[p]);
      // Moving only axes of size 1 does not move data.
      const order = perm.filter((p) => source.shape[p] !== 1);
      if (order.every((p, i) => i === 0 || order[i - 1] < p)) return graph.reshape(source, shape);
      return graph.emit("Transpose", [source], { shape, dtype: source.dtype }, { perm });
    },
  };
  return graph;
}

const describe = ({ dtype, shape }: Value): string => `${dtype} [${shape}]`;

/** The part of a graph that some outputs need. */
export interface LiveGraph {
  nodes: GraphNode[];
  inputs: Value[];
  constants: Value[];
}

export function liveGraph(graph: Graph, outputs: readonly Value[]): LiveGraph {
  const seen = new Set<Value>();
  const nodes = new Set<GraphNode>();
  const stack = [...outputs];
  for (let value = stack.pop(); value; value = stack.pop()) {
    if (seen.has(value)) continue;
    seen.add(value);
    if (value.node && !nodes.has(value.node)) {
      nodes.add(value.node);
      stack.push(...reads(value.node));
    }
  }
  return {
    nodes: graph.nodes.filter((node) => nodes.has(node)),
    inputs: graph.inputs.filter((value) => seen.has(value)),
    constants: [...seen].filter((value) => value.data !== undefined),
  };
}

export const broadcastShape = (a: Value, b: Value): number[] =>
  tf.broadcast_util.assertAndGetBroadcastShape(a.shape, b.shape);
