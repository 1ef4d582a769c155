/** What holds for every plan, however it was made: a kernel that ran too early would give wrong numbers, and no error. */
import type { LiveGraph, Value } from "../graph.ts";
import type { Plan } from "./plan.ts";

/**
 * Checks the order of a plan's kernels: what one reads has been written before, and what has been written over is read no
 * more. @throws naming the kernel and the value; that is a fault of ours
 */
export function checkPlan({ inputs, constants }: LiveGraph, { kernels, over }: Plan): void {
  const written = new Set<Value>([...inputs, ...constants]);
  const gone = new Set<Value>();
  for (const { label, read, written: now } of kernels) {
    for (const value of read)
      if ((!written.has(value) && !now.has(value)) || gone.has(value))
        throw new Error(
          `jit: the plan is wrong: the kernel ${label} reads ${value.name} [${value.shape}] ${gone.has(value) ? "after it was written over" : "before it is written"}; please report it`,
        );
    for (const value of now) {
      written.add(value);
      const argument = over.get(value);
      if (argument) gone.add(argument);
    }
  }
}
