/** A function of trees of tensors becomes a graph: traced with arguments, checked, and shown without being run. */
import { type Dialect, writeIn } from "./dialect.ts";
import { productFlops } from "./flops.ts";
import { type LiveGraph, liveGraph, reads, type Value } from "./graph.ts";
import { type GraphMemory, memoryOf } from "./memory.ts";
import type { PlanSummary } from "./plan/summary.ts";
import type { Traced } from "./program.ts";
import { rebuild, structureOf } from "./structure.ts";
import { encodeOnnx } from "./targets/onnxruntime/onnx.ts";
import { trace } from "./trace.ts";

/** A traced function that has not been run: what `lower` returns. */
export interface Lowered {
  /** Number of ONNX nodes. */
  nodes: number;
  /** Floating-point operations of its matrix products and convolutions in one run. */
  flops: number;
  /** Of a run that takes the nodes in the order of the trace. */
  memory: GraphMemory;
  /** How often each ONNX operator occurs. */
  operators: Record<string, number>;
  inputs: { name: string; shape: number[]; dtype: string }[];
  outputs: { name: string; shape: number[]; dtype: string }[];
  /** The model file's bytes. */
  onnx: Uint8Array;
  /** On a GPU: its kernels, planned for any device that there may be. */
  plan?: PlanSummary;
}

/** The values that some input reaches. */
function dependentValues(live: LiveGraph): Set<Value> {
  const dependent = new Set(live.inputs);
  for (const node of live.nodes) {
    if (reads(node).some((value) => dependent.has(value)))
      for (const value of node.outputs) dependent.add(value);
  }
  return dependent;
}

/** Traces `fn`, named `name` in errors, with these arguments; nothing is compiled. */
export function traceFunction(fn: (...args: never[]) => unknown, args: unknown[], name: string): Traced {
  const { graph, result } = trace((makeInput, symbolOf) => {
    const symbolic = args.map((arg, i) => {
      const { skeleton } = structureOf(arg, `arg${i}`);
      return rebuild(skeleton, (leaf) => makeInput(leaf.name, leaf.tensor));
    });
    const returned = fn(...(symbolic as never[]));
    if (returned instanceof Promise) {
      returned.catch(() => {}); // its own failure is a consequence of what the next line reports
      throw new TypeError(
        `jit: '${name}' returned a promise; expected a synchronous function that returns tensors`,
      );
    }
    const { skeleton, leaves } = structureOf(returned, "out");
    return {
      leaves,
      skeleton,
      outputs: leaves.map((leaf) => ({ name: leaf.name, value: symbolOf(leaf.tensor) })),
    };
  });
  const { outputs, leaves, skeleton } = result;
  if (outputs.length === 0)
    throw new Error(`jit: '${name}' returned no tensor, so there is nothing to compile`);
  const live = liveGraph(
    graph,
    outputs.map((output) => output.value),
  );
  const dependent = dependentValues(live);
  const constant = outputs.find(({ value }) => !dependent.has(value));
  if (constant) {
    throw new Error(
      `jit: output '${constant.name}' of '${name}' does not depend on the arguments; it is a constant, so compute it outside`,
    );
  }
  const position = new Map(leaves.map((leaf, i) => [leaf, i]));
  return {
    live,
    outputs,
    rebuild: (tensors) => rebuild(skeleton, (leaf) => tensors[position.get(leaf)!]),
  };
}

const countBy = (names: string[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
};

/** A traced function in a target's operators. */
export function written(traced: Traced, dialect: Dialect): Traced {
  const { live, writtenOf } = writeIn(
    dialect,
    traced.live,
    traced.outputs.map(({ value }) => value),
  );
  return {
    ...traced,
    live,
    outputs: traced.outputs.map(({ name, value }) => ({ name, value: writtenOf(value) })),
  };
}

/** What a traced function is, written in the operators of a target or of the standard. */
export function lowered({ live, outputs }: Traced): Lowered {
  return {
    nodes: live.nodes.length,
    flops: productFlops(live),
    memory: memoryOf(
      live.inputs,
      live.nodes,
      outputs.map(({ value }) => value),
    ),
    operators: countBy(live.nodes.map((node) => node.op)),
    inputs: live.inputs.map(({ name, shape, dtype }) => ({ name, shape, dtype })),
    outputs: outputs.map(({ name, value }) => ({ name, shape: value.shape, dtype: value.dtype })),
    onnx: encodeOnnx(live, outputs),
  };
}
