/** A traced graph in what kernels are written for: loops unrolled, order kept by the plan. */
import type { Dialect, Rule } from "../../dialect.ts";
import { OWN } from "../../graph.ts";

/** A loop whose number of rounds is known when it is traced. */
const unrolled: Rule = (graph, [count, ...state], _, rewrite) => {
  if (!count.data) throw new Error("jit: on a GPU a loop's number of rounds must be a plain number");
  let values = state;
  for (let i = 0; i < Number(count.data[0]); i++)
    values = rewrite(graph, [graph.scalar(i, "int32"), ...values]);
  return values;
};

export const KERNELS: Dialect = { [`${OWN}.Loop`]: unrolled };
