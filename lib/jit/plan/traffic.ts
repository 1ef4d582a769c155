/** What a graph moves through memory: node by node, and by the kernels of a plan. */
import { type LiveGraph, sizeOf, type Value } from "../graph.ts";
import type { Plan } from "./plan.ts";

const BYTES = 4;
const bytesOf = (values: Iterable<Value>, narrow?: ReadonlySet<Value>): number => {
  let sum = 0;
  for (const value of values)
    sum += Math.max(1, sizeOf(value.shape)) * (narrow?.has(value) ? BYTES / 2 : BYTES);
  return sum;
};

/** Bytes that move where each node reads all of its operands and writes its results; a reshape moves none. */
export const bytesByNode = ({ nodes }: LiveGraph): number =>
  nodes.reduce(
    (sum, { op, inputs, outputs }) =>
      op === "Reshape" ? sum : sum + bytesOf(new Set(inputs)) + bytesOf(outputs),
    0,
  );

/** Bytes that move where each kernel reads once what it reads, and writes what it writes. */
export const bytesByKernel = ({ kernels, narrow }: Plan): number =>
  kernels.reduce((sum, kernel) => sum + bytesOfKernel(kernel, narrow), 0);

/** Bytes that a kernel reads and writes. */
export const bytesOfKernel = (
  { read, written }: Plan["kernels"][number],
  narrow: ReadonlySet<Value>,
): number => bytesOf(read, narrow) + bytesOf(written, narrow);
