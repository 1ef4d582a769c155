/** Loops that compile: one piece of the graph, run as often as a tensor says. */
import { type Tensor, tf } from "../tensor/tf.ts";
import { rebuild, structureOf } from "./structure.ts";
import { traceLoop } from "./trace.ts";

/**
 * Applies `body` `count` times to a tree of tensors; `index` is the iteration's number from 0, an int32 scalar.
 *
 * In a traced function it becomes one loop of the graph, however large the count (a number, or an int32 scalar that is
 * only known when the function runs); elsewhere it is a plain loop. There is no gradient through it.
 * Throws when the body changes the structure, a shape or a dtype.
 */
export function loop<S>(count: Tensor | number, state: S, body: (state: S, index: Tensor) => S): S {
  const { skeleton, leaves, key } = structureOf(state, "state");
  const step = (tensors: Tensor[], index: Tensor): Tensor[] => {
    const next = structureOf(
      body(rebuild(skeleton, (leaf) => tensors[leaves.indexOf(leaf)]) as S, index),
      "state",
    );
    if (next.key !== key)
      throw new Error(`loop: the state was ${key} and became ${next.key}; it must not change`);
    return next.leaves.map(({ tensor }) => tensor);
  };
  const start = leaves.map(({ tensor }) => tensor);
  const times = typeof count === "number" ? tf.scalar(count, "int32") : count;
  const traced = traceLoop(times, start, (index, values) => step(values, index));
  const tensors = traced ?? plainLoop(typeof count === "number" ? count : countOf(count), start, step);
  if (!traced && times !== count) times.dispose();
  return rebuild(skeleton, (leaf) => tensors[leaves.indexOf(leaf)]) as S;
}

/** How often an eager loop runs. */
function countOf(count: Tensor): number {
  try {
    return count.dataSync()[0];
  } catch {
    throw new Error(
      "loop: outside of jit the count must be a number, or a tensor whose backend is read synchronously, got one that is not",
    );
  }
}

/** The iterations one after the other. What one of them made goes when the next has no use for it. */
function plainLoop(
  count: number,
  start: Tensor[],
  step: (tensors: Tensor[], index: Tensor) => Tensor[],
): Tensor[] {
  let tensors = start;
  /** Those of the state that iterations made; others belong to who made them. */
  let own = new Set<Tensor>();
  for (let i = 0; i < count; i++) {
    let next: Tensor[] = [];
    const before = own;
    tf.tidy(() => {
      const index = tf.scalar(i, "int32");
      next = step(tensors, index);
      // Tensors are numbered as they are made.
      own = new Set(next.filter((tensor) => tensor.id >= index.id || before.has(tensor)));
      return next.filter((tensor) => tensor.id >= index.id);
    });
    for (const tensor of before) if (!own.has(tensor)) tensor.dispose();
    tensors = next;
  }
  return tensors;
}
