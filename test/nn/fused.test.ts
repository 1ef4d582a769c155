import { test } from "uvu";
import * as assert from "uvu/assert";
import { type DistanceOptions, featureDistance } from "../../lib/align/index.ts";
import { jit } from "../../lib/jit/index.ts";
import { multiHeadAttention } from "../../lib/nn/attention.ts";
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

const dotProductAttention = (q: Tensor, k: Tensor, v: Tensor): Tensor =>
  tf.matMul(tf.softmax(tf.div(tf.matMul(q, k, false, true), Math.sqrt(q.shape[3]!))), v);

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
    composed: dotProductAttention,
  },
  {
    name: "multiHeadAttention",
    shapes: [
      [
        [2, 5, 6],
        [2, 5, 6],
        [2, 5, 6],
      ],
    ],
    run: (q, k, v) => multiHeadAttention(q, k, v, 3),
    composed: (q, k, v) => {
      const inHeads = (x: Tensor): Tensor => tf.stack(tf.split(x, 3, 2), 1); // [B,heads,T,d]
      const out = dotProductAttention(inHeads(q), inHeads(k), inHeads(v));
      return tf.concat(tf.unstack(out, 1), 2);
    },
  },
  ...([0.05, 1, 3] as const).map((beta) => ({
    name: `smooth-l1 of beta ${beta}`,
    shapes: [
      [
        [2, 3, 4],
        [2, 3, 4],
      ],
      [
        [1, 1, 1],
        [1, 1, 1],
      ],
    ],
    run: (a: Tensor, b: Tensor) => featureDistance(a, b, { distance: "smooth-l1", beta }),
    composed: (a: Tensor, b: Tensor) => {
      const size = tf.abs(tf.sub(a, b));
      const near = tf.minimum(size, beta);
      return tf.mean(tf.add(tf.div(tf.square(near), 2 * beta), tf.sub(size, near)));
    },
  })),
  ...(["feature", "token"] as const).map((cosineAxis) => ({
    name: `cosine over the ${cosineAxis} axis`,
    shapes: [
      [
        [2, 3, 4],
        [2, 3, 4],
      ],
      [
        [1, 2, 3],
        [1, 2, 3],
      ],
    ],
    run: (a: Tensor, b: Tensor) => featureDistance(a, b, { distance: "cosine", cosineAxis }),
    composed: (a: Tensor, b: Tensor) => {
      const axis = cosineAxis === "token" ? 1 : 2;
      const norm = (x: Tensor): Tensor => tf.sqrt(tf.maximum(tf.sum(tf.square(x), axis), 1e-16));
      return tf.sub(1, tf.mean(tf.div(tf.sum(tf.mul(a, b), axis), tf.mul(norm(a), norm(b)))));
    },
  })),
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

/** Values and gradients by both inputs of a distance, eager and compiled. */
async function distanceOf(options: DistanceOptions, a: Tensor, b: Tensor): Promise<number[][][]> {
  const both = (a: Tensor, b: Tensor) => ({
    value: featureDistance(a, b, options),
    gradients: tf.grads((a, b) => featureDistance(a, b, options))([a, b]),
  });
  const results = [both(a, b), await jit(both)(a, b)];
  return results.map(({ value, gradients }) => [value, ...gradients].map((x) => [...x.dataSync()]));
}

test("smooth-l1 at zero, at beta and beyond, by hand", async () => {
  const a = tf.tensor3d([0, 0.5, 0.25, -2], [1, 1, 4]);
  // d^2 / (2 beta) is 0, 0.25 and 0.0625; |d| - beta / 2 is 1.75.
  const slopes = [0, 1, 0.5, -1].map((slope) => slope / 4);
  for (const [value, byA, byB] of await distanceOf(
    { distance: "smooth-l1", beta: 0.5 },
    a,
    tf.zeros([1, 1, 4]),
  )) {
    assert.ok(Math.abs(value[0] - (0.25 + 0.0625 + 1.75) / 4) < 1e-7);
    assert.equal(byA, slopes);
    assert.equal(
      byB.map((x) => -x),
      slopes,
    );
  }
});

test("the cosine of a vector of zeros is 0, and its gradient finite", async () => {
  const a = tf.tensor3d([0, 0, 3, 4], [1, 2, 2]);
  const b = tf.tensor3d([1, 0, 4, 3], [1, 2, 2]);
  for (const [value, byA, byB] of await distanceOf({ distance: "cosine" }, a, b)) {
    assert.ok(Math.abs(value[0] - (1 - (0 + 24 / 25) / 2)) < 1e-6);
    // By the zero vector: -b / (2 x 1e-8), as the norm is bounded; by its partner, nothing.
    assert.ok(Math.abs(byA[0] / -5e7 - 1) < 1e-5);
    assert.equal([byA[1], byB[0], byB[1]].map(Math.abs), [0, 0, 0]);
    // By (3, 4) / 5 of cosine 24/25 with (4, 3) / 5: -(b/5 - 24/25 a/5) / 5 / 2.
    for (const [i, expected] of [(4 - 2.88) / 5, (3 - 3.84) / 5].entries())
      assert.ok(Math.abs(byA[2 + i] + expected / 10) < 1e-6);
  }
});

test("sumOfSquares equals the composed form, compiled too", async () => {
  for (const shape of [[], [1], [7], [3, 4, 5]]) {
    const [x] = inputsOf([shape], 3);
    const expected = tf.sum(tf.square(x));
    assert.ok(relativeError(sumOfSquares(x), expected) < 1e-6);
    assert.ok(relativeError(await jit(sumOfSquares)(x), expected) < 1e-6);
  }
});

test.run();
