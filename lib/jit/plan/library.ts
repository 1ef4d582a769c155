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
}

const PRODUCTS = new Set(["MatMul", "ScaledMatMul"]);

/** What a value shows in another shape. */
const unshaped = (value: Value): Value =>
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
  for (const { root } of stages) {
    const call = root && productCall(root);
    if (!call) continue;
    for (const value of [call.a, call.b]) {
      if (narrow.has(value) || copies.has(value)) continue;
      const { name, shape, dtype, node } = value;
      const copy: Value = { name: `${name} in 16 bits`, shape, dtype };
      copy.node = {
        op: "Cast",
        domain: "",
        inputs: [value],
        outputs: [copy],
        attributes: {},
        scope: root.scope,
      };
      copies.set(value, copy);
      // Parameters are copied first of all, and side by side.
      made.push({ position: node ? positions.get(node)! + 0.5 : -1, values: [copy] });
    }
  }
  return { copies, stages: made };
}

/** A launch that is a call of the library. */
export function callOf(
  style: Style,
  placement: Placement,
  node: GraphNode,
  call: ProductCall,
): KernelBuilder {
  const { copies, over } = placement;
  const kernel = new KernelBuilder(style, placement, expression, node.op);
  kernel.node = node;
  const [a, b] = [call.a, call.b].map((value) => copies?.get(value) ?? value);
  const out = over?.get(call.out) ?? call.out;
  kernel.call = { ...call, a, b, out };
  kernel.buffers.push(...new Set([a, b, out]));
  for (const value of [a, b]) kernel.read.add(value);
  kernel.written.add(call.out);
  return kernel;
}
