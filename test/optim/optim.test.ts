/** The optimizer, clipping, EMA and schedules against their formulas. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { referenceAlignWeight } from "../../lib/align/index.ts";
import {
  adamW,
  clipByGlobalNorm,
  cosineEma,
  globalNorm,
  initAdamW,
  initLossScale,
  scheduleAt,
  updateEma,
  warmup,
} from "../../lib/optim/index.ts";
import { isTaken, type LossScale, nextLossScale } from "../../lib/optim/loss-scale.ts";
import { type Tensor, tf } from "../../lib/tensor/index.ts";
import { relativeError } from "../parity.ts";

test("AdamW's first step is the sign of the gradient times the learning rate, after weight decay", () => {
  const [p, g] = [
    [1, -2, 3],
    [0.5, -1e-3, 40],
  ];
  const params = { w: tf.tensor1d(p), idle: tf.tensor1d([7]) };
  const config = { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0.1 } as const;
  const next = adamW(params, { w: tf.tensor1d(g) }, initAdamW(params), tf.scalar(0.01), config);
  const expected = p.map((value, i) => value * (1 - 0.01 * 0.1) - 0.01 * Math.sign(g[i]));
  assert.ok(relativeError(next.params.w, expected) < 1e-6);
  assert.equal([...next.params.idle.dataSync()], [7], "without a gradient nothing decays either");
  assert.is(next.state.step.dataSync()[0], 1);
});

test("AdamW follows the formula of the paper over ten steps", () => {
  const [beta1, beta2, epsilon, weightDecay, rate] = [0.8, 0.95, 1e-3, 0.02, 0.05];
  let [w, m, v] = [0.7, 0, 0];
  let params = { w: tf.tensor1d([w]) };
  let state = initAdamW(params);
  for (let step = 1; step <= 10; step++) {
    const g = Math.sin(step) + w;
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * g * g;
    w -= rate * weightDecay * w;
    w -= (rate * m) / (1 - beta1 ** step) / (Math.sqrt(v / (1 - beta2 ** step)) + epsilon);
    const config = { betas: [beta1, beta2], epsilon, weightDecay } as const;
    const next = adamW(params, { w: tf.tensor1d([g]) }, state, tf.scalar(rate), config);
    [params, state] = [next.params as typeof params, next.state];
    assert.ok(relativeError(params.w, [w]) < 1e-5, `step ${step}`);
  }
});

test("clipping scales by the global norm, and leaves smaller gradients exactly alone", () => {
  const gradients = { a: tf.tensor1d([3, 0]), b: tf.tensor2d([[0], [4]]) };
  assert.ok(relativeError(globalNorm(gradients), [5]) < 1e-7);
  const clipped = clipByGlobalNorm(gradients, 1);
  assert.ok(relativeError(clipped.norm, [5]) < 1e-7);
  assert.ok(relativeError(clipped.gradients.a, [3 / 5, 0]) < 1e-6);
  assert.ok(relativeError(clipped.gradients.b, [0, 4 / 5]) < 1e-6);
  assert.equal([...clipByGlobalNorm(gradients, 6).gradients.b.dataSync()], [0, 4]);
});

test("an EMA forgets its start geometrically; decay 0 copies and decay 1 keeps", () => {
  const params = { w: tf.tensor1d([10, -1]) };
  const start = { w: tf.tensor1d([2, 3]) };
  let average = start;
  for (let i = 0; i < 20; i++) average = updateEma(average, params, tf.scalar(0.9)) as typeof start;
  const weight = 0.9 ** 20;
  assert.ok(relativeError(average.w, [10 + weight * (2 - 10), -1 + weight * (3 + 1)]) < 1e-5);
  assert.equal([...updateEma(start, params, tf.scalar(0)).w.dataSync()], [10, -1]);
  assert.equal([...updateEma(start, params, tf.scalar(1)).w.dataSync()], [2, 3]);
});

test("schedules start, end and meet in the middle where they should", () => {
  assert.is(scheduleAt(0.3, 1e6), 0.3);
  for (const shape of ["linear", "cosine"] as const) {
    const schedule = { from: 2, to: 6, steps: 100, shape, start: 10 };
    assert.is(scheduleAt(schedule, 0), 2);
    assert.is(scheduleAt(schedule, 10), 2);
    assert.ok(Math.abs(scheduleAt(schedule, 60) - 4) < 1e-12);
    assert.is(scheduleAt(schedule, 110), 6);
    assert.is(scheduleAt(schedule, 1e6), 6);
    const values = Array.from({ length: 101 }, (_, i) => scheduleAt(schedule, 10 + i));
    assert.ok(values.every((value, i) => i === 0 || value > values[i - 1]));
  }
  assert.ok(Math.abs(scheduleAt({ from: 0, to: 1, steps: 4, shape: "cosine" }, 1) - 0.1464466094) < 1e-9);
  assert.equal(
    [0, 5, 10, 11].map((step) => scheduleAt(warmup(1e-3, 10), step)),
    [0, 5e-4, 1e-3, 1e-3],
  );
  assert.is(warmup(1e-3, 0), 1e-3);
  assert.equal(
    [0, 500].map((step) => scheduleAt(cosineEma(500), step)),
    [0.996, 1],
  );
});

test("an exponential schedule falls by a constant factor, held for as many steps as asked for", () => {
  const schedule = { from: 2, to: 0.02, steps: 100, shape: "exponential", start: 10, hold: 5 } as const;
  assert.is(scheduleAt(schedule, 0), 2);
  assert.ok(Math.abs(scheduleAt(schedule, 60) - 0.2) < 1e-12);
  assert.is(scheduleAt(schedule, 64), scheduleAt(schedule, 60));
  assert.ok(Math.abs(scheduleAt(schedule, 1e6) - 0.02) < 1e-12);
});

test("lambda is the released code's in every epoch", () => {
  const [epochSteps, epochs] = [7, Array.from({ length: 800 }, (_, epoch) => epoch)];
  for (const [process, scale, resolution, constant, tenfold] of [
    ["interpolant", 2, 256, 149, 1000],
    ["interpolant", 2, 512, 99, 800],
    ["gaussian", 0.4, 256, 149, 1000],
  ] as const) {
    const schedule = referenceAlignWeight(process, resolution, { epochSteps });
    for (const epoch of epochs) {
      const exponent = epoch > constant ? (epoch - constant) / tenfold + 1 : 1;
      for (const step of [epoch * epochSteps, epoch * epochSteps + 6])
        assert.ok(Math.abs(scheduleAt(schedule, step) - scale * 0.1 ** exponent) < 1e-12, `epoch ${epoch}`);
    }
  }
  assert.is(referenceAlignWeight("interpolant", 256, { distance: "cosine" }), 0.5);
});

test("dynamic loss scaling doubles after 2,000 finite steps in a row, halves after any other, and not below 1", () => {
  const of = (scale: number, finite: number, skipped: number): LossScale => ({
    scale: tf.scalar(scale),
    finite: tf.scalar(finite),
    skipped: tf.scalar(skipped),
  });
  const read = (state: LossScale): number[] =>
    [state.scale, state.finite, state.skipped].map((x: Tensor) => x.dataSync()[0]);
  const after = (state: LossScale, norm: number): number[] =>
    read(nextLossScale(state, isTaken(tf.scalar(norm), state)));
  assert.equal(read(initLossScale()), [65536, 0, 0]);
  assert.equal(after(of(65536, 0, 0), 0.5), [65536, 1, 0]);
  assert.equal(after(of(65536, 1998, 3), 0.5), [65536, 1999, 3]);
  assert.equal(after(of(65536, 1999, 3), 0.5), [131072, 0, 3]);
  assert.equal(after(of(65536, 1999, 3), Number.POSITIVE_INFINITY), [32768, 0, 4]);
  assert.equal(after(of(2, 7, 0), Number.NaN), [1, 0, 1]);
  // What is not finite now is so by itself.
  assert.equal(after(of(1, 7, 5), Number.NaN), [1, 8, 5]);
});

test.run();
