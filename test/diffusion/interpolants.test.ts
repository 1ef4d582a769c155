/** Interpolants and training times against their definitions. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  DIT_PROCESS,
  drawTimes,
  INTERPOLANTS,
  interpolantCoefficients,
  interpolate,
  makeProcess,
  SIT_PROCESS,
  velocityTarget,
} from "../../lib/diffusion/index.ts";
import { normalTensor, randomGenerator, type Tensor, tf } from "../../lib/tensor/index.ts";
import { relativeError } from "../parity.ts";

const DRAWS = 40_000;

/** Mean and variance within `deviations` standard errors; a normal's variance has the error sqrt(2 / n) of itself. */
function moments(values: ArrayLike<number>, mean: number, variance: number, deviations = 4): void {
  const list = Array.from(values);
  const average = list.reduce((sum, x) => sum + x, 0) / list.length;
  const spread = list.reduce((sum, x) => sum + (x - average) ** 2, 0) / (list.length - 1);
  const error = deviations * Math.sqrt(variance / list.length);
  assert.ok(Math.abs(average - mean) < error, `mean ${average}, expected ${mean} within ${error}`);
  const relative = deviations * Math.sqrt(2 / list.length);
  assert.ok(Math.abs(spread / variance - 1) < relative, `variance ${spread}, expected ${variance}`);
}

for (const name of INTERPOLANTS) {
  test(`${name}: data at time 0, noise at time 1, and the target is the path's derivative`, () => {
    const random = randomGenerator(1);
    const shape = [5, 2, 3, 3];
    const [x, noise] = [normalTensor(random, shape), normalTensor(random, shape)];
    const at = (t: number[]) => interpolate(name, x, noise, tf.tensor1d(t));
    assert.ok(relativeError(at([0, 0, 0, 0, 0]), x) < 1e-6);
    assert.ok(relativeError(at([1, 1, 1, 1, 1]), noise) < 1e-6);
    const times = [0.05, 0.25, 0.5, 0.8, 0.95];
    // In float32 a central difference is best near h = 0.01: both its errors are below 1e-4.
    const h = 0.01;
    const difference = tf.div(tf.sub(at(times.map((t) => t + h)), at(times.map((t) => t - h))), 2 * h);
    assert.ok(relativeError(velocityTarget(name, x, noise, tf.tensor1d(times)), difference) < 2e-4);
  });

  test(`${name}: coefficients have the derivatives that they say`, () => {
    const times = Float64Array.from({ length: 9 }, (_, i) => (i + 1) / 10);
    const { alpha, sigma, dAlpha, dSigma } = interpolantCoefficients(
      name,
      tf.tensor1d(Float32Array.from(times)),
    );
    const quarter = Math.PI / 2;
    const expected =
      name === "linear"
        ? [times.map((t) => 1 - t), times, times.map(() => -1), times.map(() => 1)]
        : [
            times.map((t) => Math.cos(quarter * t)),
            times.map((t) => Math.sin(quarter * t)),
            times.map((t) => -quarter * Math.sin(quarter * t)),
            times.map((t) => quarter * Math.cos(quarter * t)),
          ];
    [alpha, sigma, dAlpha, dSigma].forEach((value, i) => {
      assert.ok(relativeError(value, expected[i]) < 1e-6);
    });
  });
}

test("uniform times have the uniform's moments and stay in [0, 1)", () => {
  const times = drawTimes(randomGenerator(2), DRAWS);
  assert.ok(times.every((t) => t >= 0 && t < 1));
  moments(times, 1 / 2, 1 / 12);
});

test("lognormal times have a standard normal log of sigma / alpha", () => {
  for (const name of INTERPOLANTS) {
    const times = drawTimes(randomGenerator(3), DRAWS, "lognormal", name);
    assert.ok(times.every((t) => t > 0 && t < 1));
    const { alpha, sigma } = interpolantCoefficients(name, tf.tensor1d(times));
    moments(tf.log(tf.div(sigma, alpha)).dataSync(), 0, 1);
  }
});

test("times of tokens reach the pixels of their patches, and the same time for all is one time", () => {
  const [x, noise] = [
    normalTensor(randomGenerator(6), [2, 3, 4, 4]),
    normalTensor(randomGenerator(7), [2, 3, 4, 4]),
  ];
  const t = tf.tensor2d([
    [0.1, 0.2, 0.3, 0.4],
    [0.5, 0.6, 0.7, 0.8],
  ]);
  for (const name of INTERPOLANTS) {
    const mixed = interpolate(name, x, noise, t);
    const target = velocityTarget(name, x, noise, t);
    for (const [token, column] of tf.unstack(t, 1).entries()) {
      const at = [0, 0, 2 * Math.floor(token / 2), 2 * (token % 2)];
      const patch = (images: Tensor): Tensor => tf.slice(images, at, [2, 3, 2, 2]);
      assert.equal(patch(mixed).dataSync(), patch(interpolate(name, x, noise, column)).dataSync());
      assert.equal(patch(target).dataSync(), patch(velocityTarget(name, x, noise, column)).dataSync());
    }
  }
  assert.throws(
    () => interpolate("linear", x, noise, tf.ones([2, 9])),
    /^times of images \[2,3,4,4\] must be \[2\], one a sample, or \[2,T\], one for each token of a square grid, got \[2,9\]$/,
  );
  for (const other of [tf.ones([3]), tf.scalar(0.5), tf.ones([1, 4])])
    assert.throws(() => interpolate("linear", x, noise, other), /^times of images \[2,3,4,4\] must be \[2\]/);
});

test("times of tokens are an interpolant's: a Gaussian process says so, where its steps do not fit", () => {
  const gaussian = makeProcess(DIT_PROCESS);
  const [x, noise] = [1, 2].map((seed) => normalTensor(randomGenerator(seed), [2, 1, 4, 4]));
  const each = tf.tensor2d([
    [3, 3, 3, 3],
    [6, 6, 6, 6],
  ]);
  const refused =
    /^a Gaussian process takes one step a sample, \[batch\], got \[2,4\]; times of tokens are an interpolant's$/;
  assert.throws(() => gaussian.noised({ x, noise, t: each }), refused);
  const output = tf.concat([x, x], 1);
  assert.throws(() => gaussian.loss(output, x, { x, noise, t: each }), refused);
  assert.throws(
    () => gaussian.noised({ x, noise, t: tf.tensor1d([3]) }),
    /^steps of images \[2,1,4,4\] must be \[2\], one a sample, got \[1\]$/,
  );
});

test("an interval of each sample is that of all its tokens, also where there are as many tokens as samples", () => {
  const t = tf.fill([4, 4], 0.5);
  const k = tf.tensor1d([0, 0.25, 0.5, 0.75]);
  const { earlier } = makeProcess(SIT_PROCESS);
  assert.equal(
    earlier(t, k).arraySync(),
    [0.5, 0.25, 0, 0].map((time) => [time, time, time, time]),
  );
  assert.equal(earlier(t, tf.tile(tf.expandDims(k, 1), [1, 4])).dataSync(), earlier(t, k).dataSync());
  assert.throws(
    () => earlier(t, tf.tensor1d([0.1])),
    /^how much less noisy times \[4,4\] are to be must be \[4,4\], or \[4\], got \[1\]$/,
  );
});

test.run();
