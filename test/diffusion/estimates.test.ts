/** Data, noise, velocity and score from one another, against closed forms, on the paths of all processes. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  DIT_PROCESS,
  estimates,
  INTERPOLANTS,
  interpolantCoefficients,
  type PathPoint,
  type ProcessConfig,
  processPath,
  SIT_PROCESS,
  scoreFromVelocity,
} from "../../lib/diffusion/index.ts";
import { normalTensor, randomGenerator, type Tensor, tf } from "../../lib/tensor/index.ts";
import { relativeError } from "../parity.ts";

const random = randomGenerator(1);
const [data, noise] = [normalTensor(random, [4, 2, 3, 3]), normalTensor(random, [4, 2, 3, 3])];
const mix = (a: number, b: number): Tensor => tf.add(tf.mul(data, a), tf.mul(noise, b));

const interpolant = (path: (typeof INTERPOLANTS)[number]): ProcessConfig => ({
  type: "interpolant",
  path,
  times: "uniform",
});
const gaussian = (prediction: "noise" | "data", learnSigma: boolean): ProcessConfig => ({
  ...DIT_PROCESS,
  prediction,
  learnSigma,
});

/** What a network that knows everything puts out. */
const CASES: [ProcessConfig, times: number[], output: (at: PathPoint) => Tensor][] = [
  ...INTERPOLANTS.map((path): [ProcessConfig, number[], (at: PathPoint) => Tensor] => [
    interpolant(path),
    [0.05, 0.3, 0.7, 1],
    ({ dAlpha, dSigma }) => mix(dAlpha, dSigma),
  ]),
  [gaussian("noise", false), [0, 17, 500, 999], () => noise],
  [gaussian("noise", true), [0, 17, 500, 999], () => tf.concat([noise, tf.zerosLike(noise)], 1)],
  [gaussian("data", true), [17, 500, 999], () => tf.concat([data, tf.zerosLike(data)], 1)],
];

for (const [process, times, output] of CASES) {
  test(`a true prediction gives the truth: ${JSON.stringify(process)}`, () => {
    const path = processPath(process);
    for (const t of times) {
      const at = path.at(t);
      const x = mix(at.alpha, at.sigma);
      const estimated = estimates(process, output(at), x, at);
      const expected = {
        data,
        noise,
        velocity: mix(at.dAlpha, at.dSigma),
        score: tf.div(noise, -at.sigma),
      };
      for (const name of ["data", "noise", "velocity", "score"] as const) {
        const error = relativeError(estimated[name](), expected[name]);
        // A DiT's data near step T-1 are a difference that is divided by alpha, 0.006; its noise near step 0 by sigma, 0.01.
        assert.ok(error < 1e-4, `${name} at ${t}: ${error}`);
      }
    }
  });
}

test("clipped data are what noise, velocity and score are of", () => {
  for (const [process, , output] of CASES) {
    const at = processPath(process).at(process.type === "gaussian" ? 500 : 0.6);
    const x = mix(at.alpha, at.sigma);
    const clipped = estimates(process, output(at), x, at, true);
    const bounded = tf.clipByValue(data, -1, 1);
    const left = tf.div(tf.sub(x, tf.mul(bounded, at.alpha)), at.sigma);
    assert.ok(relativeError(clipped.data(), bounded) < 1e-4);
    assert.ok(relativeError(clipped.noise(), left) < 1e-4);
    assert.ok(relativeError(clipped.score(), tf.div(left, -at.sigma)) < 1e-4);
    const velocity = tf.add(tf.mul(bounded, at.dAlpha), tf.mul(left, at.dSigma));
    assert.ok(relativeError(clipped.velocity(), velocity) < 1e-4);
  }
});

test("a path's velocity is the derivative of its x", () => {
  const step = 1e-6;
  for (const path of INTERPOLANTS) {
    const { at } = processPath(interpolant(path));
    for (const t of [0.2, 0.5, 0.9]) {
      const [before, after, here] = [at(t - step), at(t + step), at(t)];
      assert.ok(Math.abs((after.alpha - before.alpha) / (2 * step) - here.dAlpha) < 1e-6);
      assert.ok(Math.abs((after.sigma - before.sigma) / (2 * step) - here.dSigma) < 1e-6);
    }
  }
  // Of a Gaussian process the rates are by the angle.
  const { at, end } = processPath(DIT_PROCESS);
  for (const point of [at(3), at(500.25), end]) {
    assert.ok(Math.abs(Math.cos(point.time) - point.alpha) < 1e-12);
    assert.ok(Math.abs(Math.sin(point.time) - point.sigma) < 1e-12);
  }
});

test("points are found by their ratio of noise to data, between the steps of a Gaussian process too", () => {
  for (const process of [interpolant("linear"), interpolant("cosine"), DIT_PROCESS]) {
    const path = processPath(process);
    const scale = process.type === "gaussian" ? 1000 : 1;
    for (const share of [0.2, 0.5004, 0.77]) {
      const point = path.at(share * scale);
      const found = path.ofRatio(point.sigma / point.alpha);
      assert.ok(Math.abs(found.t - point.t) < 1e-9 * scale, `${found.t} for ${point.t}`);
      assert.ok(Math.abs(found.alpha - point.alpha) < 1e-12);
    }
  }
  assert.is(processPath(DIT_PROCESS).ofRatio(1e9).t, 999);
  const { alpha } = processPath(interpolant("cosine")).at(1);
  assert.is(alpha, 0);
});

test("a Gaussian's velocity implies its score -x / variance", () => {
  for (const path of INTERPOLANTS) {
    for (const t of [0.05, 0.3, 0.7, 0.95, 1]) {
      const { alpha, sigma, dAlpha, dSigma } = processPath(interpolant(path)).at(t);
      const variance = (alpha / 2) ** 2 + sigma ** 2;
      const rate = (dAlpha * alpha * 0.25 + dSigma * sigma) / variance;
      for (const time of [t, tf.scalar(t)]) {
        const score = scoreFromVelocity(tf.mul(noise, rate), noise, time, path);
        assert.ok(relativeError(score, tf.div(noise, -variance)) < 1e-4, `${path} at ${t}`);
      }
    }
  }
  assert.throws(() => scoreFromVelocity(noise, noise, 900), /^a score's time must be from 0 to 1, got 900$/);
});

test("times of each sample are those of the sample, also where the batch is as large as the width", () => {
  const [x, output] = [2, 3].map((seed) => normalTensor(randomGenerator(seed), [4, 2, 4, 4]));
  const times = [0.2, 0.4, 0.6, 0.8];
  const alone = (of: (x: Tensor, output: Tensor, t: number) => Tensor): Tensor =>
    tf.concat(times.map((t, i) => of(tf.slice(x, i, 1), tf.slice(output, i, 1), t)));
  for (const path of INTERPOLANTS) {
    const process = interpolant(path);
    const { at } = processPath(process);
    const t = tf.tensor1d(times);
    const weights = interpolantCoefficients(path, t);
    for (const clip of [false, true]) {
      const whole = estimates(process, output, x, weights, clip);
      for (const name of ["data", "noise", "velocity", "score"] as const) {
        const each = alone((x, output, t) => estimates(process, output, x, at(t), clip)[name]());
        assert.ok(relativeError(whole[name](), each) < 1e-5, `${name} on ${path}`);
      }
    }
    const score = alone((x, output, t) => scoreFromVelocity(output, x, t, path));
    assert.ok(relativeError(scoreFromVelocity(output, x, t, path), score) < 1e-5, path);
    const tokens = tf.tile(tf.expandDims(t, 1), [1, 4]);
    assert.ok(relativeError(scoreFromVelocity(output, x, tokens, path), score) < 1e-5, path);
    assert.throws(() => scoreFromVelocity(output, x, tf.ones([2]), path), /^times of images .* got \[2\]$/);
  }
});

test("an output of another shape does not broadcast", () => {
  const at = processPath(SIT_PROCESS).at(0.5);
  for (const other of [tf.zeros([4, 2, 3, 1]), tf.zeros([4, 4, 3, 3]), tf.scalar(0)])
    assert.throws(
      () => estimates(SIT_PROCESS, other, data, at),
      /^what a network says of \[4,2,3,3\] must be \[4,2,3,3\], got \[.*\]$/,
    );
  assert.throws(
    () => estimates(DIT_PROCESS, data, data, processPath(DIT_PROCESS).at(5)),
    /^what a network says of \[4,2,3,3\] must be \[4,4,3,3\], prediction and variance, got \[4,2,3,3\]$/,
  );
});

test("the published processes are what their names say", () => {
  assert.equal(processPath(SIT_PROCESS).at(0.25), {
    t: 0.25,
    time: 0.25,
    alpha: 0.75,
    sigma: 0.25,
    dAlpha: -1,
    dSigma: 1,
  });
  assert.is(processPath(DIT_PROCESS).share(250), 0.25);
});

test.run();
