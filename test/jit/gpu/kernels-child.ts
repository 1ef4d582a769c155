/** A process that compares every kernel on a GPU with eager tfjs, and prints a line of JSON for each. */
import fc from "fast-check";
import { compare } from "../kernels/compare.ts";
import { allKernels } from "../kernels/index.ts";
import { GPU_TARGET } from "./target.ts";

const SEED = 20240;
const RUNS = Number(process.env.DITLAB_KERNEL_RUNS ?? 1);
const slack = Number(process.env.DITLAB_SLACK ?? 3);
const only = process.argv[2]?.split(",");

for (const [name, cases] of Object.entries(allKernels)) {
  if (only && !only.includes(name)) continue;
  let error: string | undefined;
  try {
    for (const item of cases) {
      if ("inputs" in item) await compare(item, { target: GPU_TARGET, slack, finiteOnly: true });
      else
        await fc.assert(
          fc.asyncProperty(item, (one) => compare(one, { target: GPU_TARGET, slack, finiteOnly: true })),
          { seed: SEED, numRuns: RUNS, endOnFailure: true },
        );
    }
  } catch (thrown) {
    error = ((thrown as Error & { cause?: Error }).cause ?? (thrown as Error)).message;
  }
  console.log(JSON.stringify({ name, error }));
}
process.exit(0);
