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
 * A function that says whether `output` can be written into `input`'s memory: its node works element by element, and
 * everything else that reads the input must have run before, in whatever order the graph is executed.
 */
export function aliasChecker(graph: LiveGraph): (input: Value, output: Value) => boolean {
  const readers = readersOf(graph);
  const outputs = new Set<Value>();
  let visit = 0;
  const visited = new Map<GraphNode, number>();

  /** Whether all `nodes` come before `last` by necessity. */
  function precede(nodes: readonly GraphNode[], last: GraphNode): boolean {
    visit++;
    let missing = nodes.length;
    const wanted = new Set(nodes);
    const stack = [last];
    visited.set(last, visit);
    for (let node = stack.pop(); node && missing > 0; node = stack.pop()) {
      if (wanted.has(node)) missing--;
      for (const { node: maker } of reads(node)) {
        if (maker && visited.get(maker) !== visit) {
          visited.set(maker, visit);
          stack.push(maker);
        }
      }
    }
    return missing === 0;
  }

  return (input, output) => {
    const { node } = output;
    if (!node || input.node || input.dtype !== output.dtype || !sameShape(input.shape, output.shape))
      return false;
    if (outputs.has(output) || !ELEMENTWISE.has(node.op)) return false;
    if (node.inputs.some((value) => value.node && PRODUCTS.has(value.node.op))) return false;
    if (!precede([...new Set(readersOfMemory(input, readers))], node)) return false;
    outputs.add(output);
    return true;
  };
}
