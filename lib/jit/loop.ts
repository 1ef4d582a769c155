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
  let tensors = leaves.map(({ tensor }) => tensor);
  const times = typeof count === "number" ? tf.scalar(count, "int32") : count;
  const traced = traceLoop(times, tensors, (index, values) => step(values, index));
  if (traced) tensors = traced;
  else for (let i = 0; i < times.dataSync()[0]; i++) tensors = step(tensors, tf.scalar(i, "int32"));
  return rebuild(skeleton, (leaf) => tensors[leaves.indexOf(leaf)]) as S;
}
