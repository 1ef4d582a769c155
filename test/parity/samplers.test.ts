/** Samplers and guidance on velocity fields whose solutions are known. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { INTERPOLANTS, type InterpolantName } from "../../lib/diffusion/index.ts";
import {
  classVelocity,
  eulerMaruyamaSampler,
  eulerSampler,
  heunSampler,
  scoreFromVelocity,
  timeSteps,
} from "../../lib/samplers/index.ts";
import { normalTensor, randomGenerator, type Tensor, tf } from "../../lib/tensor/index.ts";
import { relativeError } from "../parity.ts";

const noise = normalTensor(randomGenerator(1), [4, 1, 3, 3]);

/** Data N(0, s^2): alpha, sigma and x_t's variance, and the velocity E[dx_t/dt | x_t] = rate(t) x_t. */
function gaussian(name: InterpolantName, t: number, s: number): { variance: number; rate: number } {
  const angle = (Math.PI / 2) * t;
  const [alpha, sigma, dAlpha, dSigma] =
    name === "linear"
      ? [1 - t, t, -1, 1]
      : [Math.cos(angle), Math.sin(angle), (-Math.PI / 2) * Math.sin(angle), (Math.PI / 2) * Math.cos(angle)];
  const variance = (alpha * s) ** 2 + sigma ** 2;
  return { variance, rate: (dAlpha * alpha * s * s + dSigma * sigma) / variance };
}

test("a Gaussian's velocity implies its score -x / variance", () => {
  for (const name of INTERPOLANTS) {
    for (const t of [0.05, 0.3, 0.7, 0.95, 1]) {
      const { variance, rate } = gaussian(name, t, 0.5);
      const score = scoreFromVelocity(tf.mul(noise, rate), noise, t, name);
      assert.ok(relativeError(score, tf.div(noise, -variance)) < 1e-4, `${name} at ${t}`);
    }
  }
});

test("ODE samplers are exact on straight paths, in any number of steps", async () => {
  const target = normalTensor(randomGenerator(2), noise.shape);
  // All data in one point: x_t = (1 - t) target + t noise, and the velocity (x - target) / t is linear in x.
  const velocity = (x: Tensor, t: number): Tensor => tf.div(tf.sub(x, target), t);
  for (const sampler of [eulerSampler, heunSampler]) {
    for (const steps of [1, 2, 7]) {
      assert.ok(relativeError(await sampler(velocity, noise, { steps }), target) < 1e-5, `${steps} steps`);
    }
  }
});

test("Euler is of first and Heun of second order", async () => {
  // Data N(0, s^2) under the linear interpolant: the flow scales by the standard deviation, from 1 to s.
  const s = 0.5;
  const velocity = (x: Tensor, t: number): Tensor => tf.mul(x, gaussian("linear", t, s).rate);
  const exact = tf.mul(noise, s);
  const order = async (sampler: typeof eulerSampler): Promise<number> => {
    const [coarse, fine] = await Promise.all(
      [16, 32].map(async (steps) => relativeError(await sampler(velocity, noise, { steps }), exact)),
    );
    return Math.log2(coarse / fine);
  };
  const [euler, heun] = [await order(eulerSampler), await order(heunSampler)];
  assert.ok(Math.abs(euler - 1) < 0.15, `Euler: ${euler}`);
  assert.ok(Math.abs(heun - 2) < 0.15, `Heun: ${heun}`);
});

test("Euler-Maruyama draws from the data's Gaussian, for both interpolants", async () => {
  const s = 0.5;
  for (const interpolant of INTERPOLANTS) {
    const random = randomGenerator(3);
    const asked: number[] = [];
    const x = await eulerMaruyamaSampler(
      (x, t) => tf.mul(x, gaussian(interpolant, t, s).rate),
      normalTensor(random, [4000, 1, 2, 2]),
      {
        steps: 100,
        interpolant,
        noise: (index, shape) => {
          asked.push(index);
          return normalTensor(random, shape);
        },
      },
    );
    assert.equal(
      asked,
      Array.from({ length: 99 }, (_, i) => i),
      "no noise in the last step",
    );
    const { mean, variance } = tf.moments(x);
    assert.ok(Math.abs(mean.dataSync()[0]) < 0.02);
    const deviation = Math.sqrt(variance.dataSync()[0]);
    assert.ok(Math.abs(deviation - s) < 0.03, `${interpolant}: deviation ${deviation}`);
  }
});

test("times are even and steps are checked and counted", async () => {
  assert.equal(timeSteps(1, 0, 4), [1, 0.75, 0.5, 0.25, 0]);
  const seen: number[][] = [];
  const zero = (x: Tensor): Tensor => tf.zerosLike(x);
  await eulerSampler(zero, noise, { steps: 2, onStep: (...done) => seen.push(done) });
  assert.equal(seen, [
    [1, 2],
    [2, 2],
  ]);
  for (const steps of [0, 1.5, -1]) {
    let message = "";
    await heunSampler(zero, noise, { steps }).catch((error: Error) => {
      message = error.message;
    });
    assert.match(message, /integer of at least 1/);
  }
});

test("guidance extrapolates from no class, within its interval of step times", async () => {
  const calls: number[] = [];
  // The velocity of class y is y everywhere; 10 is no class.
  const model = (x: Tensor, _: Tensor, y: Tensor): Tensor => {
    calls.push(x.shape[0]);
    return tf.mul(tf.onesLike(x), tf.reshape(tf.cast(y, "float32"), [-1, 1, 1, 1]));
  };
  const y = tf.tensor1d([1, 2, 3, 4], "int32");
  const first = (x: Tensor): number[] => [...tf.slice(x, [0, 0, 0, 0], [4, 1, 1, 1]).dataSync()];
  const guided = classVelocity(model, y, 10, { scale: 3, interval: [0.2, 0.6] });
  assert.equal(
    first(await guided(noise, 0.5, 0.5)),
    [1, 2, 3, 4].map((v) => 10 + 3 * (v - 10)),
  );
  assert.equal(first(await guided(noise, 0.5, 0.7)), [1, 2, 3, 4], "the step's time decides");
  assert.equal(
    first(await guided(noise, 0.1, 0.2)),
    [1, 2, 3, 4].map((v) => 10 + 3 * (v - 10)),
    "inclusive",
  );
  assert.equal(first(await classVelocity(model, y, 10)(noise, 0.5, 0.5)), [1, 2, 3, 4]);
  assert.equal(calls, [8, 4, 8, 4]);
});

test("a score has a time, not a step", () => {
  assert.throws(() => scoreFromVelocity(noise, noise, 900), /^a score's time must be from 0 to 1, got 900$/);
});

test.run();
