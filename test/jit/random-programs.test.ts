/** Random programs: every value and the gradient of a loss over all of them, eager against compiled. */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { jit } from "../../lib/jit/index.ts";
import { kernels } from "../../lib/jit/kernels/index.ts";
import { normalTensor, randomGenerator, type Tensor, tf } from "../../lib/tensor/index.ts";
import { traced } from "./kernels/compare.ts";
import { evaluate, listing, type Program, programs } from "./programs.ts";

const RUNS = Number(process.env.DITLAB_PROGRAMS ?? 2000);
const SEED = Number(process.env.DITLAB_SEED ?? 7);

/** Far from rounding, whose growth over 15 steps stays below 1e-4 of a value's scale, and near to any real fault. */
const TOLERANCE = 2e-4;

function assertClose(actual: Tensor, expected: Tensor, what: string): void {
  const [a, b] = [actual.dataSync() as Float32Array, expected.dataSync() as Float32Array];
  if (`${actual.shape}` !== `${expected.shape}`)
    throw new Error(`${what} has shape [${actual.shape}], expected [${expected.shape}]`);
  const scale = Math.max(1, ...b.map(Math.abs));
  for (let i = 0; i < b.length; i++) {
    if (!(Math.abs(a[i] - b[i]) <= TOLERANCE * scale))
      throw new Error(`${what}: element ${i} of [${expected.shape}] is ${a[i]}, expected ${b[i]}`);
  }
}

async function check(program: Program): Promise<void> {
  const random = randomGenerator(11);
  const inputs = program.shapes.map((shape) => normalTensor(random, shape));
  const run = evaluate(program);
  const compiled = jit(run, { threads: 1, name: "random program" });
  try {
    const expected = tf.tidy(() => run(inputs));
    const actual = await compiled(inputs);
    for (const [i, value] of expected.values.entries())
      assertClose(actual.values[i], value, `v${i + inputs.length}`);
    for (const [i, gradient] of expected.gradients.entries())
      assertClose(actual.gradients[i], gradient, `gradient of v${i}`);
    tf.dispose([expected, actual]);
  } catch (error) {
    throw new Error(`${(error as Error).message} in the program\n${listing(program, inputs)}`);
  } finally {
    await compiled.dispose();
    tf.dispose(inputs);
  }
}

test(`${RUNS} random programs (DITLAB_PROGRAMS) of seed ${SEED} (DITLAB_SEED)`, () =>
  fc.assert(fc.asyncProperty(programs, check), { seed: SEED, numRuns: RUNS, includeErrorInReport: true }));

test("the programs of that seed trace every kernel", () => {
  if (RUNS < 2000) return;
  assert.equal(
    Object.keys(kernels).filter((name) => !traced.has(name)),
    // No operation of tfjs calls these; only layers and converted models do.
    ["LogSoftmax", "BroadcastTo"],
  );
});

test.run();
