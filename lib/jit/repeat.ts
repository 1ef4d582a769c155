/** Pieces of a program that occur several times, as the parts of a batch do: traced once, then copied. */
import type { Tensor } from "../tensor/tf.ts";
import { rebuild, type Structure, structureOf } from "./structure.ts";
import { tracePiece } from "./trace.ts";

const filled = <T>({ skeleton, leaves }: Structure, tensors: Tensor[]): T =>
  rebuild(skeleton, (leaf) => tensors[leaves.indexOf(leaf)]) as T;

/**
 * `body`, a function of a tree of tensors, for several calls with the same structure. In a traced function the first call
 * runs it, and all of them copy its nodes, which takes a fraction of the time; elsewhere it is `body` itself.
 * Make it within the traced function. What it reads beside its argument must not change between the calls. There is no
 * gradient through it, and no `loop` in it.
 */
export function traceOnce<A, R>(body: (arg: A) => R): (arg: A) => R {
  let recorded: { key: string; result: Structure; add: (tensors: Tensor[]) => Tensor[] } | undefined;
  const record = (structure: Structure, tensors: Tensor[]): typeof recorded => {
    let result: Structure | undefined;
    const add = tracePiece(tensors, (standIns) => {
      result = structureOf(body(filled(structure, standIns)), "result");
      return result.leaves.map(({ tensor }) => tensor);
    });
    return add && result && { key: structure.key, result, add };
  };
  return (arg) => {
    const structure = structureOf(arg, "arg");
    const tensors = structure.leaves.map(({ tensor }) => tensor);
    if (recorded?.key !== structure.key) recorded = record(structure, tensors);
    return recorded ? filled(recorded.result, recorded.add(tensors)) : body(arg);
  };
}
