import { suite } from "uvu";
import * as assert from "uvu/assert";
import { jit } from "../../lib/jit/index.ts";
import { kernels } from "../../lib/jit/kernels/index.ts";
import { randomGenerator, type Tensor, tf } from "../../lib/tensor/index.ts";
import { CASES, type Case } from "./cases.ts";

/** Kernels that only traced code has; test/nn compares them with their composed forms. */
const OWN = ["ScaledMatMul", "LayerNorm", "GeluTanh", "SumOfSquares"];
/** Kernels that no public operation of tfjs runs on its cpu backend. */
const NOWHERE_ELSE = ["BroadcastTo", "LogSoftmax"];

const used = new Set<string>();
const test = suite("traced kernels");
const list = (result: Tensor | Tensor[]): Tensor[] => (Array.isArray(result) ? result : [result]);

/** Notes the kernels that run while `body` does, by their names on any backend. */
function watched<T>(body: () => T): T {
  const engine = tf.engine() as unknown as { runKernel: (name: string, ...rest: unknown[]) => unknown };
  const original = engine.runKernel;
  engine.runKernel = function (name, ...rest) {
    used.add(name);
    return original.call(this, name, ...rest);
  };
  try {
    return body();
  } finally {
    engine.runKernel = original;
  }
}

function inputsOf(shapes: number[][], range: [number, number] = [-2, 2], seed = 1): Tensor[] {
  const random = randomGenerator(seed);
  return shapes.map((shape) =>
    tf.tensor(
      random.uniforms(tf.util.sizeFromShape(shape)).map((u) => range[0] + (range[1] - range[0]) * u),
      shape,
    ),
  );
}

function assertClose(actual: Tensor, expected: Tensor, tolerance: number, what: string): void {
  assert.equal([actual.shape, actual.dtype], [expected.shape, expected.dtype], what);
  const [a, b] = [actual.dataSync(), expected.dataSync()];
  const scale = Math.max(1e-3, ...Array.from(b).filter(Number.isFinite).map(Math.abs));
  for (let i = 0; i < b.length; i++) {
    const same = Object.is(a[i], b[i]) || a[i] === b[i] || Math.abs(a[i] - b[i]) <= tolerance * scale;
    assert.ok(same, `${what}: element ${i} is ${a[i]}, expected ${b[i]}`);
  }
}

/**
 * Gradients of a random weighted sum of the outputs, so that every element counts differently. The weights are
 * arguments: without them the gradient of a linear function would be a constant.
 */
const gradientsOf =
  ({ run }: Case) =>
  (inputs: Tensor[], weights: Tensor[]): Tensor[] =>
    tf.grads((...xs) =>
      list(run(...(xs as Tensor[])))
        .map((y, i) => tf.sum(tf.mul(y, weights[i])))
        .reduce((a, b) => tf.add(a, b)),
    )(inputs);

for (const entry of CASES) {
  test(entry.name, async () => {
    const { tolerance = 2e-6 } = entry;
    for (const [i, shapes] of entry.shapes.entries()) {
      const inputs = inputsOf(shapes, entry.range, i + 1);
      const expected = watched(() => list(entry.run(...inputs)));
      const compiled = jit((...xs: Tensor[]) => list(entry.run(...xs)));
      const actual = await compiled(...inputs);
      await compiled.dispose();
      assert.is(actual.length, expected.length);
      expected.forEach((y, k) => {
        assertClose(actual[k], y, tolerance, `${entry.name} of [${shapes.join("], [")}], output ${k}`);
      });
      if (entry.gradient === false) continue;
      const weights = inputsOf(
        expected.map(({ shape }) => shape),
        [-1, 1],
        99,
      );
      const gradients = gradientsOf(entry);
      const wanted = watched(() => gradients(inputs, weights));
      const traced = jit(gradients);
      const got = await traced(inputs, weights);
      await traced.dispose();
      wanted.forEach((g, k) => {
        assertClose(
          got[k],
          g,
          5 * tolerance,
          `gradient of ${entry.name} of [${shapes.join("], [")}], input ${k}`,
        );
      });
    }
  });
}

test("every kernel that can be traced was compared", () => {
  const missing = Object.keys(kernels).filter((name) => ![...used, ...OWN, ...NOWHERE_ELSE].includes(name));
  assert.equal(missing, []);
});

test.run();
