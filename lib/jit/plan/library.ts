/** Products that a library of the device computes, where it has one: from arrays as they lie in memory, to another one. */
import { type GraphNode, sameShape, sizeOf, type Value } from "../graph.ts";
import { KernelBuilder, type Placement } from "./builder.ts";
import type { ProductSize } from "./forms.ts";
import { expression, isView, type Stage } from "./kernels.ts";
import type { Style } from "./language.ts";
import { productOf } from "./products.ts";

/** op(a) op(b) by rows, times a factor, for each matrix of a batch. */
export interface ProductCall {
  a: Value;
  b: Value;
  out: Value;
  size: Required<ProductSize>;
  alpha: number;
  epilogue?: Epilogue;
}

/** What the library does with a product's numbers before it stores them. */
export interface Epilogue {
  /**
   * Adds a number a column; and takes GELU of it, of which it may store the argument; or multiplies by the slope of GELU at
   * an argument; or stores, beside, the sums over the rows of the first factor, which is transposed.
   */
  kind: "bias" | "gelu" | "gelu with argument" | "gelu gradient" | "factor sums";
  /** The numbers that are added, or the sums. */
  vector?: Value;
  /** GELU's argument. */
  argument?: Value;
}

const PRODUCTS = new Set(["MatMul", "ScaledMatMul"]);

/** What a value shows in another shape. */
export const unshaped = (value: Value): Value =>
  value.node?.op === "Reshape" ? unshaped(value.node.inputs[0]) : value;

/** Whether an array lies in memory, number by number in its order, when a product reads it. */
const lies = ({ node, shape, dtype }: Value): boolean =>
  dtype === "float32" && sizeOf(shape) > 1 && (!node || !isView(node));

/** A node as a library computes it; nothing for what only a planned kernel can: other nodes, and operands that are shown. */
export function productCall(node: GraphNode): ProductCall | undefined {
  const { op, inputs, outputs } = node;
  if (!PRODUCTS.has(op)) return undefined;
  const [out] = outputs;
  const [left, right] = inputs;
  const batchesOf = ({ shape }: Value): number[] => shape.slice(0, -2);
  const areBatches = [left, right].every((factor) => sameShape(batchesOf(factor), batchesOf(out)));
  const [a, b] = [unshaped(left), unshaped(right)];
  if (!areBatches || sizeOf(out.shape) < 2 || ![a, b, out].every(lies)) return undefined;
  const { size, alpha } = productOf(node);
  return size.depth === 0 ? undefined : { a, b, out, size, alpha };
}

/** Copies of what is wide, as a library multiplies numbers of one width: by the value that each is of. */
export function narrowCopies(
  stages: readonly Stage[],
  narrow: ReadonlySet<Value>,
  positions: ReadonlyMap<GraphNode, number>,
): { copies: Map<Value, Value>; stages: Stage[] } {
  const copies = new Map<Value, Value>();
  const made: Stage[] = [];
  for (const { root, call } of stages) {
    if (!call) continue;
    const { a, b, epilogue } = call;
    const added = epilogue?.kind === "factor sums" ? undefined : epilogue?.vector;
    for (const value of [a, b, ...(added ? [added] : [])]) {
      if (narrow.has(value) || copies.has(value)) continue;
      const { name, shape, dtype, node } = value;
      const copy: Value = { name: `${name} in 16 bits`, shape, dtype };
      const { scope } = root!;
      copy.node = { op: "Cast", domain: "", inputs: [value], outputs: [copy], attributes: {}, scope };
      copies.set(value, copy);
      // Parameters are copied first of all, and side by side.
      made.push({ position: node ? positions.get(node)! + 0.5 : -1, values: [copy] });
    }
  }
  return { copies, stages: made };
}

/** A launch that is a call of the library. */
export function callOf(style: Style, placement: Placement, { root, call }: Stage): KernelBuilder {
  const { copies, over } = placement;
  const kernel = new KernelBuilder(style, placement, expression, root!.op);
  kernel.node = root;
  const { a, b, out, epilogue } = call!;
  const read = (value: Value): Value => {
    const memory = copies?.get(value) ?? value;
    kernel.read.add(memory);
    return memory;
  };
  const write = (value: Value): Value => {
    kernel.written.add(value);
    return over?.get(value) ?? value;
  };
  const made: ProductCall = { ...call!, a: read(a), b: read(b), out: write(out) };
  if (epilogue) {
    const { kind, vector, argument } = epilogue;
    made.epilogue = {
      kind,
      ...(vector && { vector: kind === "factor sums" ? write(vector) : read(vector) }),
      ...(argument && { argument: kind === "gelu gradient" ? read(argument) : write(argument) }),
    };
    kernel.label = `${root!.op}, ${kind}`;
  }
  kernel.call = made;
  const { vector, argument } = made.epilogue ?? {};
  const bound = [made.a, made.b, made.out, vector, argument].filter((value) => value !== undefined);
  kernel.buffers.push(...new Set(bound));
  return kernel;
}
