/** Joins of arrays whose parts are written where they belong, by the kernels that compute them. */
import { type GraphNode, type LiveGraph, sizeOf, type Value } from "../graph.ts";
import { Index, type JoinedPart, KernelBuilder, type Placement, plus } from "./builder.ts";
import { expression, rootOf, type Stage } from "./kernels.ts";
import type { Style } from "./language.ts";
import { isLongJoin, type Users } from "./stages.ts";
import { threads } from "./threads.ts";

/** Whether a kernel gives a value in any case: a root, or what shows its result in another shape. */
const rootBehind = ({ node }: Value): GraphNode | undefined =>
  node?.op === "Reshape" ? rootBehind(node.inputs[0]) : node && rootOf(node) && node;

/**
 * The parts of stored joins that nothing else needs, and where in the join each belongs. A short join is made so only where
 * all of its parts have kernels anyway: else it is computed where it is read, or as one.
 */
export function joinedParts(
  { nodes }: LiveGraph,
  stored: ReadonlySet<Value>,
  users: Users,
  results: ReadonlySet<Value>,
  isClosed: (node: GraphNode) => boolean,
): Map<Value, JoinedPart> {
  const parts = new Map<Value, JoinedPart>();
  for (const node of nodes) {
    const [whole] = node.outputs;
    if (node.op !== "Concat" || !stored.has(whole)) continue;
    const isOwn = (part: Value): boolean =>
      part.node !== undefined &&
      !isClosed(rootBehind(part) ?? part.node) &&
      sizeOf(part.shape) > 1 &&
      !results.has(part) &&
      users.get(part)!.size === 1 &&
      node.inputs.filter((other) => other === part).length === 1;
    if (!isLongJoin(node) && !node.inputs.every((part) => isOwn(part) && rootBehind(part) !== undefined))
      continue;
    const axis = node.attributes.axis as number;
    let start = 0;
    for (const part of node.inputs) {
      if (isOwn(part)) parts.set(part, { whole, axis, start });
      start += part.shape[axis];
    }
  }
  return parts;
}

/** The kernels of a join that is written part by part: for parts that others need, too, and single numbers. */
export function joinInParts(stage: Stage, style: Style, placement: Placement): KernelBuilder[] | undefined {
  const [value] = stage.values;
  if (stage.root || value.node!.op !== "Concat") return undefined;
  const { inputs, attributes } = value.node!;
  const axis = attributes.axis as number;
  const newKernel = () => new KernelBuilder(style, placement, expression, "Concat");
  if (isLongJoin(value.node!) && inputs.every((part) => placement.scalars.has(part))) {
    const kernel = newKernel();
    threads(kernel, 1);
    for (const [i, part] of inputs.entries())
      kernel.store(value, `${i}u`, kernel.load(part, Index.zero(part.shape)));
    return [kernel];
  }
  const isInParts = isLongJoin(value.node!) || inputs.every((part) => placement.parts?.has(part));
  if (!isInParts) return undefined;
  let start = 0;
  return inputs.flatMap((part) => {
    const from = start;
    start += part.shape[axis];
    if (placement.parts?.has(part)) return [];
    const kernel = newKernel();
    const index = new Index(part.shape, undefined, threads(kernel, sizeOf(part.shape)));
    const at = [...index.coords(kernel)];
    at[axis] = plus(kernel, at[axis], from);
    kernel.store(value, new Index(value.shape, at).linear(kernel), kernel.load(part, index));
    return [kernel];
  });
}
