/** Operators that are a kernel of their own. */
import type { GraphNode, Value } from "../graph.ts";
import type { Index, KernelBuilder } from "./builder.ts";

/** Stores a number of a node's output, or of what is computed from it at the same place. */
export type Finish = (value: Value, index: Index, number: string) => void;

/** Writes a node's kernel, and in it what others beside it come to. */
export type Root = (
  kernel: KernelBuilder,
  node: GraphNode,
  finish: Finish,
  beside: readonly GraphNode[],
) => void;

/** The values of a constant vector of integers. */
export const ints = (value: Value): number[] => Array.from(value.data as BigInt64Array, Number);

/** What a value shows in another shape. */
export const unshaped = (value: Value): Value =>
  value.node?.op === "Reshape" ? unshaped(value.node.inputs[0]) : value;
