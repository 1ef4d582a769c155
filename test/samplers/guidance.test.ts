/** Guidance against its formula, uncond + scale (cond - uncond), and what means nothing refused, at every way in. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { betaSchedule, gaussianDiffusion, respace, respacedTimesteps } from "../../lib/diffusion/index.ts";
import { DIT_DEFAULTS, initSiT, sit } from "../../lib/models/index.ts";
import { compiledSampler, plan } from "../../lib/samplers/compiled.ts";
import {
  classVelocity,
  ddimSampler,
  eulerSampler,
  type GenerateOptions,
  type Guidance,
  sampleGenerator,
} from "../../lib/samplers/index.ts";
import { normalTensor, type Params, randomGenerator, type Tensor, tf } from "../../lib/tensor/index.ts";
import { rejects } from "../io/helpers.ts";
import { relativeError } from "../parity.ts";
import { smallConfig } from "../train/small.ts";

const { model } = smallConfig();
const random = randomGenerator(4);
const params = initSiT(model, random);
for (const name of Object.keys(params))
  if (/adaLN|final/.test(name)) params[name] = normalTensor(random, params[name].shape);

const x = normalTensor(random, [3, model.inChannels, model.inputSize, model.inputSize]);
const y = tf.tensor1d([0, 1, 0], "int32");
const network = (x: Tensor, t: Tensor, y: Tensor): Tensor => sit(params, model, x, t, y).velocity;

/** Euler's method with the formula written out, of two calls of the network. */
function byFormula(scale: number, steps: number): Tensor {
  const none = tf.fill([3], model.numClasses, "int32");
  let at = x;
  for (let i = 0; i < steps; i++) {
    const t = tf.fill([3], 1 - i / steps);
    const [uncond, cond] = [network(at, t, none), network(at, t, y)];
    at = tf.sub(at, tf.div(tf.add(uncond, tf.mul(tf.sub(cond, uncond), scale)), steps));
  }
  return at;
}

for (const scale of [0.5, 0, -2, 1, 1.5, 4]) {
  test(`scale ${scale} is its formula, step by step, compiled, and in the generator`, async () => {
    const expected = byFormula(scale, 3);
    const guidance = { scale };
    const plain = await eulerSampler(classVelocity(network, y, model.numClasses, guidance), x, { steps: 3 });
    assert.ok(relativeError(plain, expected) < 1e-5, `plain ${relativeError(plain, expected)}`);

    const compiled = compiledSampler(
      (params: Params) => (x, t, y) => sit(params, model, x, t, y).velocity,
      model.numClasses,
    );
    let at = x;
    for (const segment of plan({ sampler: "euler", steps: 3, guidance }))
      at = await compiled.run(params, at, y, segment, { scale, interpolant: "linear", noise: () => x });
    await compiled.dispose();
    assert.ok(relativeError(at, expected) < 1e-5, `compiled ${relativeError(at, expected)}`);

    const generator = sampleGenerator(model);
    const labels = [0, 1, 0];
    const made = await generator.generate(params, {
      labels,
      sampler: "euler",
      steps: 3,
      guidance,
      latents: x,
    });
    await generator.dispose();
    assert.ok(relativeError(made, expected) < 1e-5, `generator ${relativeError(made, expected)}`);
  });
}

/** Guidance that means nothing, and what is said of it. */
const REFUSED: [Guidance, RegExp][] = [
  [{ scale: Number.NaN }, /^guidance scale must be a finite number, got NaN$/],
  [{ scale: Number.POSITIVE_INFINITY }, /^guidance scale must be a finite number, got Infinity$/],
  ...(
    [[0.9, 0.1], [-1, 7], [0, 700], [Number.NaN, 1], [0, Number.NaN], [0.5]] as unknown as [number, number][]
  ).map((interval): [Guidance, RegExp] => [
    { scale: 2, interval },
    new RegExp(
      `^guidance interval must be two ascending times within \\[0, 1\\] \\(of a DiT: shares of its steps\\), got \\[${interval.join(", ")}\\]$`,
    ),
  ]),
  // A scale of 1 does not act, and means nothing with such an interval all the same.
  [{ scale: 1, interval: [0.9, 0.1] }, /guidance interval must be/],
  ...[0, 2, 1.5, Number.NaN].map((channels): [Guidance, RegExp] => [
    { scale: 2, channels },
    new RegExp(
      `^guided channels must be an integer (of at least 1|from 1 to the input's 1), got ${channels}$`,
    ),
  ]),
];

for (const [guidance, message] of REFUSED) {
  test(`refused before anything is computed: ${JSON.stringify(guidance, (_, v) => (typeof v === "number" ? String(v) : v))}`, async () => {
    let called = 0;
    const counted = (x: Tensor): Tensor => {
      called++;
      return x;
    };
    const sampled = async (sampler: typeof eulerSampler) =>
      sampler(classVelocity(counted, y, model.numClasses, guidance), x, { steps: 2 });
    await rejects(sampled(eulerSampler), message);

    const compiled = compiledSampler(() => counted, model.numClasses);
    const run = async () => {
      for (const segment of plan({ sampler: "euler", steps: 2, guidance })) {
        const options = { scale: guidance.scale, channels: guidance.channels, noise: () => x };
        await compiled.run(params, x, y, segment, { ...options, interpolant: "linear" });
      }
    };
    await rejects(run(), message);
    assert.is(called, 0);

    const unread = new Proxy(params, {
      get: () => assert.unreachable("a parameter was read"),
    });
    for (const config of [model, { ...model, ...DIT_DEFAULTS }]) {
      const sampler: GenerateOptions["sampler"] = "diffusion" in config ? "ddim" : "euler";
      await rejects(
        sampleGenerator(config).generate(unread, { labels: [0], sampler, steps: 2, guidance }),
        message,
      );
    }
  });
}

test("guidance leaves a variance to the class, and acts on a DiT by the share of its steps", async () => {
  const { diffusion } = DIT_DEFAULTS;
  // Predicts the class's id as noise, and its tenth as variance; 10 is no class.
  const seen: [number, number][] = [];
  const denoiser = (x: Tensor, t: Tensor, y: Tensor): Tensor => {
    seen.push([t.dataSync()[0], x.shape[0]]);
    const ids = tf.reshape(tf.cast(y, "float32"), [-1, 1, 1, 1]);
    return tf.concat([tf.mul(tf.onesLike(x), ids), tf.mul(tf.onesLike(x), tf.div(ids, 10))], 1);
  };
  const guided = classVelocity(denoiser, y, 10, { scale: 3, interval: [0, 0.5] });
  const process = respace(gaussianDiffusion(betaSchedule("linear")), respacedTimesteps("4"));
  await ddimSampler(guided, x, { diffusion: process, config: diffusion, noise: () => x });
  // A batch of twice the size where guidance acts.
  assert.equal(seen, [
    [999, 3],
    [666, 3],
    [333, 6],
    [0, 6],
  ]);
  const [noise, variance] = tf.split(guided(x, 333, 0.333) as Tensor, 2, 1);
  assert.equal([...tf.max(noise, [1, 2, 3]).dataSync()], [10 + 3 * (0 - 10), 10 + 3 * (1 - 10), -20]);
  assert.equal(
    [...tf.max(variance, [1, 2, 3]).dataSync()].map((v) => Math.round(v * 10)),
    [0, 1, 0],
  );
});

test("a velocity's t and stepTime are numbers: a tensor, a step for a time, or none is refused", () => {
  const velocity = classVelocity(network, y, model.numClasses);
  const call = (t: unknown, stepTime?: unknown) => () => velocity(x, t as number, stepTime as number);
  assert.throws(call(tf.scalar(0.5), 0.5), /^a velocity's t must be one finite number.*, got a tensor$/);
  assert.throws(call(Number.NaN, 0.5), /t must be one finite number.*, got NaN$/);
  assert.throws(
    call(0.5),
    /^a velocity's stepTime must be a number from 0 to 1 \(of a DiT: t \/ T\), got undefined$/,
  );
  assert.throws(call(999, 999), /stepTime must be a number from 0 to 1.*, got 999$/);
  assert.throws(call(0.5, tf.scalar(0.5)), /stepTime must be .*, got a tensor$/);
  assert.ok(velocity(x, 999, 0.999));
});

test.run();
