/** Which outputs of a graph can be written over an input: state that is updated where it lies. */
import { type GraphNode, type LiveGraph, reads, sameShape, type Value } from "./graph.ts";

/** Operators whose output is another view of their first input's memory. */
const VIEWS = new Set(["Reshape", "Identity", "Squeeze", "Unsqueeze", "Flatten"]);
/** Operators that have read an element of their inputs before they write the same element. */
const ELEMENTWISE = new Set(["Add", "Sub", "Mul", "Div", "Neg", "Sqrt", "Max", "Min", "Where", "Clip"]);
/** Operators that onnxruntime may fuse with an addition behind them. */
const PRODUCTS = new Set(["MatMul", "Gemm", "FusedMatMul", "Conv"]);

/** The nodes that read each value. */
function readersOf({ nodes }: LiveGraph): Map<Value, GraphNode[]> {
  const readers = new Map<Value, GraphNode[]>();
  for (const node of nodes) {
    for (const value of new Set(reads(node))) {
      const found = readers.get(value);
      if (found) found.push(node);
      else readers.set(value, [node]);
    }
  }
  return readers;
}

/** Those that read an input's memory, also through views of it; a view that is a result of the graph is a copy. */
function readersOfMemory(input: Value, readers: ReadonlyMap<Value, GraphNode[]>): GraphNode[] {
  return (readers.get(input) ?? []).flatMap((node) =>
    VIEWS.has(node.op) && node.inputs[0] === input
      ? [node, ...readersOfMemory(node.outputs[0], readers)]
      : [node],
  );
}

/**
 * A function that says whether a node is another or comes before it by necessity. Each node's ancestors are a row of
 * bits, filled when one is first asked for: a walk for every question would make thousands of them quadratic.
 */
function ancestry({ nodes }: LiveGraph): (first: GraphNode, last: GraphNode) => boolean {
  const width = Math.ceil(nodes.length / 32);
  const positions = new Map(nodes.map((node, i) => [node, i]));
  let rows: Uint32Array | undefined;
  const fill = (): Uint32Array => {
    const bits = new Uint32Array(nodes.length * width);
    nodes.forEach((node, i) => {
      const row = i * width;
      bits[row + (i >> 5)] |= 1 << (i & 31);
      for (const maker of new Set(reads(node).map((value) => value.node))) {
        const from = maker && positions.get(maker);
        if (from === undefined) continue;
        // Nodes are listed after those that they read.
        for (let word = 0; word <= from >> 5; word++) bits[row + word] |= bits[from * width + word];
      }
    });
    return bits;
  };
  return (first, last) => {
    rows ??= fill();
    const [i, row] = [positions.get(first)!, positions.get(last)! * width];
    return (rows[row + (i >> 5)] & (1 << (i & 31))) !== 0;
  };
}

/**
 * A function that says whether `output` can be written into `input`'s memory: its node works element by element, and
 * everything else that reads the input must have run before, in whatever order the graph is executed.
 */
export function aliasChecker(graph: LiveGraph): (input: Value, output: Value) => boolean {
  const readers = readersOf(graph);
  const precede = ancestry(graph);
  const outputs = new Set<Value>();

  return (input, output) => {
    const { node } = output;
    if (!node || input.node || input.dtype !== output.dtype || !sameShape(input.shape, output.shape))
      return false;
    if (outputs.has(output) || !ELEMENTWISE.has(node.op)) return false;
    if (node.inputs.some((value) => value.node && PRODUCTS.has(value.node.op))) return false;
    if (!readersOfMemory(input, readers).every((reader) => precede(reader, node))) return false;
    outputs.add(output);
    return true;
  };
}
