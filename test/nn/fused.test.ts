import { test } from "uvu";
import * as assert from "uvu/assert";
import { jit } from "../../lib/jit/index.ts";
import { sumOfSquares } from "../../lib/nn/fused.ts";
import { gelu, modulatedLayerNorm, scaledDotProductAttention, silu } from "../../lib/nn/index.ts";
import { normalTensor, randomGenerator, type Tensor, tf } from "../../lib/tensor/index.ts";
import { relativeError } from "../parity.ts";

interface Operation {
  name: string;
  shapes: number[][][];
  run: (...inputs: Tensor[]) => Tensor;
  /** The same from core operations, differentiated by the tape. */
  composed: (...inputs: Tensor[]) => Tensor;
}

const tanhGelu = (x: Tensor): Tensor =>
  tf.mul(
    tf.mul(x, 0.5),
    tf.add(1, tf.tanh(tf.mul(Math.sqrt(2 / Math.PI), tf.add(x, tf.mul(0.044715, tf.pow(x, 3)))))),
  );

const operations: Operation[] = [
  {
    name: "modulatedLayerNorm",
    shapes: [
      [
        [2, 3, 8],
        [2, 1, 8],
        [2, 1, 8],
      ],
      [
        [1, 1, 4],
        [1, 1, 4],
        [1, 1, 4],
      ],
      [
        [3, 5, 6],
        [3, 1, 6],
        [3, 1, 6],
      ],
    ],
    run: (x, shift, scale) => modulatedLayerNorm(x, shift, scale),
    composed: (x, shift, scale) => {
      const { mean, variance } = tf.moments(x, -1, true);
      return tf.add(
        tf.mul(tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, 1e-6))), tf.add(scale, 1)),
        shift,
      );
    },
  },
  // The last is large enough to be computed in parts.
  { name: "gelu", shapes: [[[5]], [[2, 3, 4]], [[3, 300_000]]], run: gelu, composed: tanhGelu },
  {
    name: "silu",
    shapes: [[[5]], [[2, 3]]],
    run: silu,
    composed: (x) => tf.div(x, tf.add(1, tf.exp(tf.neg(x)))),
  },
  {
    name: "scaledDotProductAttention",
    shapes: [
      [
        [2, 3, 4, 5],
        [2, 3, 4, 5],
        [2, 3, 4, 5],
      ],
      [
        [1, 1, 1, 2],
        [1, 1, 1, 2],
        [1, 1, 1, 2],
      ],
    ],
    run: scaledDotProductAttention,
    composed: (q, k, v) =>
      tf.matMul(tf.softmax(tf.div(tf.matMul(q, k, false, true), Math.sqrt(q.shape[3]!))), v),
  },
];

const inputsOf = (shapes: number[][], seed: number): Tensor[] => {
  const random = randomGenerator(seed);
  return shapes.map((shape) => normalTensor(random, shape));
};

for (const { name, shapes, run, composed } of operations) {
  test(`${name}: value and gradient equal the composed form, eager and compiled`, async () => {
    for (const [i, shape] of shapes.entries()) {
      const inputs = inputsOf(shape, i + 1);
      const value = composed(...inputs);
      const weight = normalTensor(randomGenerator(50), value.shape);
      const withGradients = (f: Operation["run"]) => (xs: Tensor[], weight: Tensor) => ({
        value: f(...xs),
        gradients: tf.grads((...ys) => tf.sum(tf.mul(f(...(ys as Tensor[])), weight)))(xs),
      });
      const expected = withGradients(composed)(inputs, weight);
      for (const f of [withGradients(run), jit(withGradients(run))]) {
        const got = await f(inputs, weight);
        assert.ok(relativeError(got.value, expected.value) < 2e-6, `${name} [${shape}] value`);
        got.gradients.forEach((g, k) => {
          assert.ok(relativeError(g, expected.gradients[k]) < 1e-5, `${name} [${shape}] gradient ${k}`);
        });
      }
    }
  });

  test(`${name}: gradient equals finite differences`, () => {
    const inputs = inputsOf(shapes[0], 9);
    const weight = normalTensor(randomGenerator(51), composed(...inputs).shape);
    const loss = (...xs: Tensor[]): Tensor => tf.sum(tf.mul(run(...xs), weight));
    const gradients = tf.grads(loss as never)(inputs);
    const step = 1e-2;
    inputs.forEach((input, k) => {
      const direction = normalTensor(randomGenerator(60 + k), input.shape);
      const at = (sign: number): number =>
        loss(
          ...inputs.map((x, i) => (i === k ? tf.add(x, tf.mul(direction, sign * step)) : x)),
        ).dataSync()[0];
      const slope = (at(1) - at(-1)) / (2 * step);
      const expected = tf.sum(tf.mul(gradients[k], direction)).dataSync()[0];
      assert.ok(
        Math.abs(slope - expected) < 5e-3 * (1 + Math.abs(expected)),
        `${name} input ${k}: ${slope} and ${expected}`,
      );
    });
  });
}

test("sumOfSquares equals the composed form, compiled too", async () => {
  for (const shape of [[], [1], [7], [3, 4, 5]]) {
    const [x] = inputsOf([shape], 3);
    const expected = tf.sum(tf.square(x));
    assert.ok(relativeError(sumOfSquares(x), expected) < 1e-6);
    assert.ok(relativeError(await jit(sumOfSquares)(x), expected) < 1e-6);
  }
});

test.run();
