/**
 * A graph under construction: nodes with known shapes, written by the tracing backend's kernels. Its operators are those of
 * the ONNX standard, which say what is computed and nothing of how, and a few larger ones of our own (`operations.ts`). A
 * target's dialect rewrites it in what the target has.
 */
import { currentScope } from "../tensor/scope.ts";
import { tf } from "../tensor/tf.ts";
import { type GraphData, type GraphType, graphData } from "./element-types.ts";

/** The domain of operators that the ONNX standard does not have: those of `tensor/operations.ts`, and loops. */
export const OWN = "ditlab";

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
  /** What a loop repeats, or an operation is defined by. */
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

type LoopBody = (inner: Graph, index: Value, state: Value[]) => Value[];

export interface Graph {
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
    body?: Body,
  ): Value[];
  /**
   * Repeats `body` `count` times (int32, a scalar) on values of unchanging shapes; it gets a graph for what it adds,
   * the iteration's number from 0 (int32, a scalar) and the values.
   */
  loop(count: Value, state: readonly Value[], body: LoopBody): Value[];
  /** Adds a node that has a body, which `build` adds to a graph within. */
  nest(
    op: string,
    inputs: Value[],
    outputs: readonly ValueType[],
    build: (inner: Graph) => Value[],
    domain?: string,
    scope?: string,
  ): Value[];
  /** Adds an operation with what it is defined by, which `build` adds to a graph within; equal ones are made once. */
  whole(
    op: string,
    inputs: Value[],
    attributes: Record<string, Attribute>,
    build: (inner: Graph, standIns: Value[]) => Value[],
  ): Value[];
  /** A name that nothing else has. */
  name(prefix: string): string;
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

/** Small constants of the same bits are one. */
function sharedConstant({ constants }: Outer, value: Value & { data: GraphData }): Value {
  const { data, shape, dtype } = value;
  if (data.length > SHARED_CONSTANT_SIZE) return value;
  // Object.is tells -0 from 0; String() would not.
  const key = `${dtype}[${shape}]${Array.from(data as ArrayLike<number>, (x) => (Object.is(x, -0) ? "-0" : x))}`;
  const shared = constants.get(key) ?? value;
  constants.set(key, shared);
  return shared;
}

/** Whether a node is an operation that has its definition with it, which may be written in its place. */
export const isWhole = ({ op, body }: GraphNode): boolean => body !== undefined && op !== "Loop";

/** Values that a node makes. */
const outputsOf = (node: GraphNode, types: readonly ValueType[], { name }: Outer): Value[] =>
  types.map(({ shape, dtype }) => ({ name: name("v"), shape, dtype, node }));

function checkLoopState(before: readonly Value[], after: readonly Value[]): void {
  after.forEach((value, i) => {
    if (!sameShape(value.shape, before[i].shape) || value.dtype !== before[i].dtype)
      throw new Error(
        `jit: a loop's state must keep its shapes and dtypes; value ${i} was ${describe(before[i])} and became ${describe(value)}`,
      );
  });
}

/** What `build` adds to a graph within another. */
function bodyOf(inner: Graph, build: (inner: Graph) => Value[]): Body {
  const outputs = build(inner);
  const { nodes } = liveGraph(inner, outputs);
  const inside = new Set([...inner.inputs, ...nodes.flatMap((node) => node.outputs)]);
  const captures = [...new Set([...nodes.flatMap(reads), ...outputs])].filter((value) => !inside.has(value));
  return { nodes, inputs: inner.inputs, outputs, captures };
}

/** Records what a body adds to an inner graph, to add copies of it to a graph. */
function recordedPiece(
  graph: Graph,
  inner: Graph,
  like: readonly ValueType[],
  { name }: Outer,
  body: (inner: Graph, standIns: Value[]) => Value[],
): (inputs: readonly Value[]) => Value[] {
  const standIns = like.map(({ shape, dtype }) => inner.input(name("part"), shape, dtype));
  const results = body(inner, standIns);
  const { nodes: recorded } = liveGraph(inner, results);
  if (recorded.some((node) => node.body && !isWhole(node)))
    throw new Error("jit: a loop within traceOnce cannot be copied");
  return (inputs) => {
    const copies = new Map(standIns.map((standIn, i) => [standIn, inputs[i]]));
    const copyOf = (value: Value): Value => copies.get(value) ?? value;
    for (const { op, inputs: from, outputs, attributes, domain, scope, body } of recorded) {
      const added = graph.emitMany(op, from.map(copyOf), outputs, attributes, domain, scope, body);
      outputs.forEach((output, i) => {
        copies.set(output, added[i]);
      });
    }
    return results.map(copyOf);
  };
}

/** A reshape of a reshape reads the original. */
function reshaped(graph: Graph, value: Value, shape: number[]): Value {
  const source = value.node?.op === "Reshape" ? value.node.inputs[0] : value;
  if (sameShape(source.shape, shape)) return source;
  return graph.emit("Reshape", [source, graph.ints(shape)], { shape, dtype: source.dtype });
}

/** A transpose of a transpose reads the original, and one that moves no data is a reshape. */
function transposed(graph: Graph, value: Value, permutation: number[]): Value {
  const inner = value.node?.op === "Transpose" ? value.node : undefined;
  const source = inner?.inputs[0] ?? value;
  const order = inner?.attributes.perm as number[] | undefined;
  const perm = order ? permutation.map((p) => order[p]) : permutation;
  if (perm.every((p, i) => p === i)) return source;
  const shape = perm.map((p) => source.shape[p]);
  // Moving only axes of size 1 does not move data.
  const moved = perm.filter((p) => source.shape[p] !== 1);
  if (moved.every((p, i) => i === 0 || moved[i - 1] < p)) return graph.reshape(source, shape);
  return graph.emit("Transpose", [source], { shape, dtype: source.dtype }, { perm });
}

export function createGraph(outer = newOuter()): Graph {
  const nodes: GraphNode[] = [];
  const inputs: Value[] = [];
  const own = new Map<string, Value[]>();
  const made = (key: string) => own.get(key) ?? outer.made(key);
  const nested = (): Graph => createGraph({ ...outer, made });

  const graph: Graph = {
    nodes,
    inputs,
    input(name, shape, dtype) {
      const value = { name, shape, dtype };
      inputs.push(value);
      return value;
    },
    constant: (data, shape, dtype) => sharedConstant(outer, { name: outer.name("c"), shape, dtype, data }),
    ints: (values) => graph.constant(BigInt64Array.from(values, BigInt), [values.length], "int64"),
    scalar: (value, dtype = "float32") => graph.constant(graphData([value], dtype), [], dtype),
    emit: (op, ins, output, attributes, domain) => graph.emitMany(op, ins, [output], attributes, domain)[0],
    emitMany(op, ins, outs, attributes = {}, domain = "", scope = scopeOf(ins), body) {
      const key = JSON.stringify([domain, op, ins.map((v) => v.name), attributes, outs.length]);
      const existing = made(key);
      if (existing) return existing;
      const node: GraphNode = {
        op,
        domain,
        inputs: ins,
        outputs: [],
        attributes,
        scope,
        ...(body && { body }),
      };
      node.outputs = outputsOf(node, outs, outer);
      nodes.push(node);
      own.set(key, node.outputs);
      return node.outputs;
    },
    loop: (count, state, body) =>
      graph.nest(
        "Loop",
        [count, ...state],
        state,
        (inner) => {
          const index = inner.input(outer.name("iteration"), [], "int32");
          const before = state.map(({ shape, dtype }) => inner.input(outer.name("state"), shape, dtype));
          const after = body(inner, index, before);
          checkLoopState(state, after);
          return after;
        },
        OWN,
      ),
    nest(op, ins, outs, build, domain = "", scope = currentScope()) {
      const body = bodyOf(nested(), build);
      const node: GraphNode = { op, domain, inputs: ins, outputs: [], attributes: {}, scope, body };
      node.outputs = outputsOf(node, outs, outer);
      nodes.push(node);
      return node.outputs;
    },
    whole(op, ins, attributes, build) {
      const inner = nested();
      const standIns = ins.map(({ shape, dtype }) => inner.input(outer.name("given"), shape, dtype));
      const body = bodyOf(inner, () => build(inner, standIns));
      return graph.emitMany(op, ins, body.outputs, attributes, OWN, scopeOf(ins), body);
    },
    name: outer.name,
    piece: (like, body) => recordedPiece(graph, nested(), like, outer, body),
    reshape: (value, shape) => reshaped(graph, value, shape),
    transpose: (value, permutation) => transposed(graph, value, permutation),
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
