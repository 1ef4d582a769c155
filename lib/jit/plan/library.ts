/** Products that a library of the device computes, where it has one: from arrays as they lie in memory, to another one. */
import { type GraphNode, sameShape, sizeOf, type Value } from "../graph.ts";
import { KernelBuilder, type Placement } from "./builder.ts";
import type { ProductSize } from "./forms.ts";
import { expression, isView, type Stage } from "./kernels.ts";
import type { Style } from "./language.ts";
import { productOf } from "./products.ts";
import { unshaped } from "./root.ts";

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

/** What a call reads beside its factors. */
const beside = ({ epilogue }: ProductCall): Value[] => {
  const { kind, vector, argument } = epilogue ?? {};
  const read = [kind === "factor sums" ? undefined : vector, kind === "gelu gradient" ? argument : undefined];
  return read.filter((value) => value !== undefined);
};
export const readByCall = (call: ProductCall): Value[] => [call.a, call.b, ...beside(call)];

/** Copies of what is wide, as a library multiplies numbers of one width: calls read these from here on. */
export function narrowCopies(stages: readonly Stage[], narrow: ReadonlySet<Value>): Stage[] {
  const copies = new Map<Value, Value>();
  const made: Stage[] = [];
  for (const stage of [...stages].sort((a, b) => a.position - b.position)) {
    const { root, call, position } = stage;
    if (!call) continue;
    const copyOf = (value: Value): Value => {
      const known = narrow.has(value) ? value : copies.get(value);
      if (known) return known;
      const { name, shape, dtype, node } = value;
      const copy: Value = { name: `${name} in 16 bits`, shape, dtype };
      const { scope } = root!;
      copy.node = { op: "Cast", domain: "", inputs: [value], outputs: [copy], attributes: {}, scope };
      copies.set(value, copy);
      // Parameters are copied first of all, and side by side; what is computed, when it is asked for: it may come late.
      made.push({ position: node ? position - 0.5 : -1, values: [copy] });
      return copy;
    };
    const { a, b, epilogue } = call;
    stage.call = { ...call, a: copyOf(a), b: copyOf(b) };
    const isRead = epilogue?.vector && epilogue.kind !== "factor sums";
    if (isRead) stage.call.epilogue = { ...epilogue, vector: copyOf(epilogue.vector!) };
  }
  return made;
}

/** A launch that is a call of the library. */
export function callOf(style: Style, placement: Placement, { root, call }: Stage): KernelBuilder {
  const { over } = placement;
  const kernel = new KernelBuilder(style, placement, expression, root!.op);
  kernel.node = root;
  const { out, epilogue } = call!;
  for (const value of readByCall(call!)) kernel.read.add(value);
  const write = (value: Value): Value => {
    kernel.written.add(value);
    return over?.get(value) ?? value;
  };
  const made: ProductCall = { ...call!, out: write(out) };
  if (epilogue) {
    const { kind, vector, argument } = epilogue;
    made.epilogue = {
      kind,
      ...(vector && { vector: kind === "factor sums" ? write(vector) : vector }),
      ...(argument && { argument: kind === "gelu gradient" ? argument : write(argument) }),
    };
    kernel.label = `${root!.op}, ${kind}`;
  }
  kernel.call = made;
  const { vector, argument } = made.epilogue ?? {};
  const bound = [made.a, made.b, made.out, vector, argument].filter((value) => value !== undefined);
  kernel.buffers.push(...new Set(bound));
  return kernel;
}
