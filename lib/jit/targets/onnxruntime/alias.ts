/** Which outputs of a graph can be written over an input: state that is updated where it lies. */
import { type GraphNode, type LiveGraph, reads, sameShape, type Value } from "../../graph.ts";

/** Operators whose output is another view of their first input's memory. */
const VIEWS = new Set(["Reshape", "Identity", "Squeeze", "Unsqueeze", "Flatten"]);
/** Operators that have read an element of their inputs before they write the same element. */
const ELEMENTWISE = new Set(["Add", "Sub", "Mul", "Div", "Neg", "Sqrt", "Max", "Min", "Where", "Clip"]);
/** Operators that onnxruntime may fuse with an addition behind them. FusedMatMul, its own, is none of them. */
const PRODUCTS = new Set(["MatMul", "Gemm", "Conv"]);

/** The nodes that read each value. */
function readersOf({ nodes }: LiveGraph): Map<Value, GraphNode[]> {
  const readers = new Map<Value, GraphNode[]>();
  for (const node of nodes) {
    for (const value of reads(node)) {
      const found = readers.get(value);
      if (!found) readers.set(value, [node]);
      else if (found[found.length - 1] !== node) found.push(node);
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
 * A function that says whether a node of `among` is another or comes before it by necessity. Each node's ancestors among
 * them are a row of bits, filled when one is first asked for: a walk for every question would make thousands of them
 * quadratic.
 */
function ancestry(
  { nodes }: LiveGraph,
  among: () => Iterable<GraphNode>,
): (first: GraphNode, last: GraphNode) => boolean {
  const rows = new Map<GraphNode, number>();
  const columns = new Map<GraphNode, number>();
  let width = 0;
  let bits: Uint32Array | undefined;
  const fill = (): Uint32Array => {
    for (const node of among()) if (!columns.has(node)) columns.set(node, columns.size);
    width = Math.ceil(columns.size / 32);
    const filled = new Uint32Array(nodes.length * width);
    nodes.forEach((node, i) => {
      const row = i * width;
      rows.set(node, row);
      const column = columns.get(node);
      if (column !== undefined) filled[row + (column >> 5)] |= 1 << (column & 31);
      for (const value of reads(node)) {
        // Nodes are listed after those that they read.
        const from = value.node && rows.get(value.node);
        if (from === undefined) continue;
        for (let word = 0; word < width; word++) filled[row + word] |= filled[from + word];
      }
    });
    return filled;
  };
  return (first, last) => {
    bits ??= fill();
    const column = columns.get(first)!;
    return (bits[rows.get(last)! + (column >> 5)] & (1 << (column & 31))) !== 0;
  };
}

/**
 * A function that says whether `output` can be written into `input`'s memory: its node works element by element, and
 * everything else that reads the input must have run before, in whatever order the graph is executed.
 */
export function aliasChecker(graph: LiveGraph): (input: Value, output: Value) => boolean {
  const readers = readersOf(graph);
  const precede = ancestry(graph, () => graph.inputs.flatMap((input) => readersOfMemory(input, readers)));
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
