/** How much memory a graph takes. */
import { type GraphNode, reads, sizeOf, type Value } from "./graph.ts";

/** Bytes of the arguments, of the results, and the most that the values in between take at once. */
export interface GraphMemory {
  arguments: number;
  results: number;
  between: number;
}

const BYTES = { float32: 4, float64: 8, int32: 4, bool: 1, int64: 8 } as const;
const bytesOf = (values: readonly Value[]): number =>
  values.reduce((sum, { shape, dtype }) => sum + sizeOf(shape) * BYTES[dtype], 0);

/** The most that the values between arguments and results take, each from its node to its last reader. */
function bytesBetween(nodes: readonly GraphNode[], results: readonly Value[]): number {
  const last = new Map<Value, number>();
  // A view lives in the memory of what it shows.
  const memory = (value: Value): Value =>
    value.node?.op === "Reshape" ? memory(value.node.inputs[0]) : value;
  nodes.forEach((node, i) => {
    for (const value of reads(node)) last.set(memory(value), i);
  });
  const apart = new Set(results.map(memory));
  const ends = new Map<number, number>();
  let [now, most] = [0, 0];
  nodes.forEach((node, i) => {
    const made = node.outputs.filter((value) => memory(value) === value && !apart.has(value));
    for (const value of made) {
      const end = last.get(value) ?? i;
      ends.set(end, (ends.get(end) ?? 0) + bytesOf([value]));
    }
    now += bytesOf(made);
    most = Math.max(most, now + (node.body ? bytesBetween(node.body.nodes, node.body.outputs) : 0));
    now -= ends.get(i) ?? 0;
  });
  return most;
}

/** Of nodes that run in this order. */
export const memoryOf = (
  inputs: readonly Value[],
  nodes: readonly GraphNode[],
  results: readonly Value[],
): GraphMemory => ({
  arguments: bytesOf(inputs),
  results: bytesOf(results),
  between: bytesBetween(nodes, results),
});
