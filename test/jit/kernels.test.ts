/** Every kernel of the registry: eager tfjs against `jit`, value and gradient, on random operands and special values. */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { kernels } from "../../lib/jit/kernels/index.ts";
import { compare, traced } from "./kernels/compare.ts";
import { allKernels } from "./kernels/index.ts";

const SEED = 20240;
/** Random cases a property; the seed is fixed, so that a failure repeats. */
const RUNS = Number(process.env.DITLAB_KERNEL_RUNS ?? 8);

for (const [name, cases] of Object.entries(allKernels)) {
  test(`kernel ${name}`, async () => {
    traced.clear();
    for (const item of cases) {
      if ("inputs" in item) await compare(item);
      else
        await fc.assert(
          fc.asyncProperty(item, (one) => compare(one)),
          { seed: SEED, numRuns: RUNS },
        );
    }
    assert.ok(traced.has(name), `the cases of ${name} did not trace it`);
  });
}

test("every kernel of the registry has a test", () => {
  assert.equal(Object.keys(allKernels).sort(), Object.keys(kernels).sort());
});

test.run();
