/** The plain samplers: exact where the path is straight, the same with and without promises and inside jit, tidy. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type ProcessConfig, SIT_PROCESS } from "../../lib/diffusion/index.ts";
import { jit } from "../../lib/jit/index.ts";
import type { Network } from "../../lib/models/index.ts";
import {
  networkPredictor,
  SAMPLERS,
  type Sampled,
  type SampleOptions,
  type SamplerName,
  type SamplerSettings,
  sample,
  sampleSync,
} from "../../lib/samplers/index.ts";
import { normalTensor, type Params, randomGenerator, type Tensor, tf } from "../../lib/tensor/index.ts";
import { rejects } from "../io/helpers.ts";
import { relativeError } from "../parity.ts";
import { smallDiT, smallSiT } from "./small.ts";

const STEPS = 3;
const random = randomGenerator(5);
const x = normalTensor(random, [3, 1, 8, 8]);
const drawn = normalTensor(random, [STEPS, 3, 1, 8, 8]);
const y = tf.tensor1d([0, 1, 2], "int32");
const guidance = { scale: 1.7, interval: [0, 0.8] } as const;
const [sit, dit] = [smallSiT(), smallDiT()];

type Options = Omit<SampleOptions, "noise" | "steps"> & SamplerSettings;
type Case = [SamplerName, { network: Network; process: ProcessConfig; params: Params }, Options?];
const CASES: Case[] = [
  ["euler", sit],
  ["heun", sit],
  ["euler-maruyama", sit],
  ["ddim", sit, { eta: 0.7 }],
  ["dpm-solver++", sit],
  ["edm", sit, { churn: { amount: 1 } }],
  ["euler", dit],
  ["heun", dit],
  ["ddpm", dit],
  ["ddim", dit, { eta: 0.7 }],
  ["dpm-solver++", dit],
  ["edm", dit, { churn: { amount: 1 } }],
];

for (const [name, { network, process, params }, settings] of CASES) {
  const run = (params: Params, x: Tensor, y: Tensor, drawn: Tensor): Tensor =>
    sampleSync(name, networkPredictor(network, params, { condition: { y }, guidance }), x, {
      steps: STEPS,
      process,
      ...settings,
      noise: (index) => tf.gather(drawn, index) as Tensor,
    });

  test(`${name} on ${process.type}: the same with promises, and whole inside jit`, async () => {
    const expected = run(params, x, y, drawn);
    const predict = networkPredictor(network, params, { condition: { y }, guidance });
    const later = await sample(name, async (...asked) => predict(...asked), x, {
      steps: STEPS,
      process,
      ...settings,
      noise: (index) => tf.gather(drawn, index) as Tensor,
    });
    assert.equal(later.dataSync(), expected.dataSync());
    const whole = jit(run, { name: "whole" });
    const compiled = await whole(params, x, y, drawn);
    assert.ok(relativeError(compiled, expected) < 1e-4, `${relativeError(compiled, expected)}`);
    // Another start and other noise are arguments of the same program.
    const other = await whole(params, tf.neg(x), y, tf.neg(drawn));
    const again = run(params, tf.neg(x), y, tf.neg(drawn));
    assert.ok(relativeError(other, again) < 1e-4, `${relativeError(other, again)}`);
    assert.is(whole.stats.traces.length, 1);
    await whole.dispose();
  });

  test(`${name} on ${process.type} leaves nothing but its result`, async () => {
    const before = tf.memory().numTensors;
    const predict = networkPredictor(network, params, { condition: { y } });
    const noise = (_: number, shape: number[]): Tensor => normalTensor(random, shape);
    const options = { steps: STEPS, process, ...settings, noise };
    const result = await sample(name, async (...asked) => predict(...asked), x, options);
    assert.is(tf.memory().numTensors, before + 1);
    assert.not.ok(x.isDisposed);
    // What is told belongs to whoever is told.
    const told: Sampled[] = [];
    const watched = sampleSync(name, predict, x, {
      ...options,
      noise: () => tf.zerosLike(x),
      onStep: (_done, _total, sampled) => told.push(sampled),
    });
    assert.is(tf.memory().numTensors, before + 2 + 2 * STEPS);
    assert.equal(told[STEPS - 1].x.dataSync(), watched.dataSync());
    tf.dispose([result, watched, ...told.flatMap(({ x, denoised }) => [x, denoised])]);
    assert.is(tf.memory().numTensors, before);
  });
}

test("every sampler is among the cases", () => {
  assert.equal([...new Set(CASES.map(([name]) => name))].sort(), [...SAMPLERS].sort());
});

test("samplers of the ODE, and DDIM, end in the point that all data lie in, which their callback is told at every step", async () => {
  const target = normalTensor(randomGenerator(2), x.shape);
  // x_t = (1 - t) target + t noise, and the velocity (x - target) / t is linear in x.
  const velocity = (x: Tensor, t: number): Tensor => tf.div(tf.sub(x, target), t);
  for (const name of SAMPLERS.filter((name) => name !== "ddpm" && name !== "euler-maruyama")) {
    for (const steps of [2, 7]) {
      const result = await sample(name, velocity, x, {
        steps,
        noise: (_, shape) => normalTensor(random, shape),
        onStep: (done, _total, { denoised }) =>
          assert.ok(relativeError(denoised, target) < 1e-5, `${name}, step ${done}`),
      });
      assert.ok(relativeError(result, target) < 1e-5, `${name}, ${steps} steps`);
    }
  }
});

test("there is a gradient through a whole sampler", async () => {
  // v = w x: n steps of Euler from 1 to 0 lead to x (1 - w / n)^n.
  const end = (w: Tensor, x: Tensor): Tensor => sampleSync("euler", (x) => tf.mul(x, w), x, { steps: 4 });
  const gradient = jit((w: Tensor, x: Tensor) => tf.grads((w, x) => tf.sum(end(w, x)))([w, x])[0]);
  const [w, x] = [tf.scalar(0.4), tf.tensor1d([2])];
  const [slope] = (await gradient(w, x)).dataSync();
  assert.ok(Math.abs(slope - -2 * (1 - 0.1) ** 3) < 1e-6, `${slope}`);
  const [eager] = tf.grads((w, x) => tf.sum(end(w, x)))([w, x]);
  assert.ok(Math.abs(eager.dataSync()[0] - slope) < 1e-6);
  await gradient.dispose();
});

test("a network's own tensors stay: its input, one it made before, one it keeps", async () => {
  const [constant, kept] = [tf.zerosLike(x), [] as Tensor[]];
  for (const velocity of [
    (x: Tensor): Tensor => x,
    (): Tensor => constant,
    (x: Tensor): Tensor => {
      kept.push(tf.keep(tf.neg(x)));
      return kept[kept.length - 1];
    },
  ])
    await sample("heun", velocity, x, { steps: 2 });
  for (const tensor of [x, constant, ...kept]) assert.not.ok(tensor.isDisposed);
});

test("steps are counted, and a promise is refused", () => {
  const seen: number[][] = [];
  sampleSync("euler", (x) => x, x, { steps: 2, onStep: (done, total) => seen.push([done, total]) });
  assert.equal(seen, [
    [1, 2],
    [2, 2],
  ]);
  const later: unknown = (x: Tensor) => Promise.resolve(x);
  assert.throws(
    () => sampleSync("euler", later as (x: Tensor) => Tensor, x, { steps: 2 }),
    /^sampleSync was given a function that returns a promise; expected a tensor, or sample$/,
  );
});

test("options that mean nothing are refused before anything is asked", async () => {
  const refused = async (
    name: string,
    options: Partial<SampleOptions & SamplerSettings>,
    message: RegExp,
  ): Promise<void> => {
    const asked = (): Tensor => assert.unreachable("the network was asked") as never;
    await rejects(sample(name as SamplerName, asked, x, { steps: 4, ...options }), message);
  };
  for (const steps of [0, 1.5, -1]) await refused("heun", { steps }, /integer of at least 1, got/);
  await refused("euler-maruyama", { steps: 1 }, /^sampler steps must be an integer of at least 2, got 1$/);
  await refused("rk4", {}, /^unknown sampler 'rk4'; expected one of euler, heun, euler-maruyama, ddpm, ddim/);
  await refused("ddpm", {}, /^sampler 'ddpm' is not one for an interpolant; expected euler, .*, edm$/);
  await refused(
    "euler-maruyama",
    { process: dit.process },
    /^sampler 'euler-maruyama' is not one for a Gaussian process; expected euler, heun, ddpm, ddim, dpm-solver\+\+, edm$/,
  );
  await refused(
    "euler-maruyama",
    { process: SIT_PROCESS },
    /^sampler 'euler-maruyama' draws noise; expected the option noise, got none$/,
  );
  await refused("euler", { eta: 0.5 }, /^eta is an option of the sampler 'ddim'; got eta 0.5 for 'euler'$/);
  await refused(
    "ddim",
    { churn: { amount: 1 } },
    /^churn is an option of the sampler 'edm'; got churn \{"amount":1\} for 'ddim'$/,
  );
  await refused("ddim", { eta: 2 }, /^eta must be from 0 to 1, got 2$/);
  await refused("edm", { churn: { amount: -1 } }, /^churn must be a finite amount of at least 0, got -1$/);
  await refused("edm", { churn: { amount: 1, noise: 0 } }, /^churn's noise must be .* above 0, got 0$/);
  // What nobody knows by its name has no silent effect.
  const misspelt = <T extends object>(options: object): T => options as T;
  await refused("ddim", misspelt({ etta: 1 }), /^sampler options: etta is unknown, did you mean eta\?$/);
  await refused(
    "euler",
    misspelt({ guidance: { scale: 2 } }),
    /^sampler options: guidance is unknown, expected/,
  );
  await refused(
    "euler",
    { grid: misspelt({ spaceing: "cosine" }) },
    /^the grid: spaceing is unknown, did you mean spacing\?$/,
  );
  await refused(
    "edm",
    { churn: { amount: 1, ...misspelt({ nois: 2 }) } },
    /^churn: nois is unknown, did you mean noise\?$/,
  );
  await refused(
    "edm",
    { churn: { amount: 1, interval: [2, 1] } },
    /^churn's interval must be two ascending noise ratios of at least 0, got \[2, 1\]$/,
  );
});

test("noise of another shape than x's does not broadcast", async () => {
  const before = tf.memory().numTensors;
  for (const shape of [[3, 1, 1, 1, 8], [1], [3, 1, 8, 1]])
    await rejects(
      sample("euler-maruyama", (x) => tf.mul(x, 0.5), x, { steps: 3, noise: () => tf.ones(shape) }),
      /^the noise of step 0 must be \[3,1,8,8\], as x is, got \[.*\]$/,
    );
  assert.is(tf.memory().numTensors, before);
});

for (const name of SAMPLERS) {
  const { network, process, params } = name === "ddpm" ? dit : sit;
  test(`${name} leaves nothing where the network, the noise or the callback fails`, async () => {
    const predict = networkPredictor(network, params, { condition: { y }, guidance });
    const fail = (): never => {
      throw new Error("stop");
    };
    const before = tf.memory().numTensors;
    const options = { steps: STEPS, process, ...(name === "ddim" && { eta: 1 }) };
    const noise = (_: number, shape: number[]): Tensor => normalTensor(random, shape);
    const failsIn = (step: number) => ({
      noise,
      onStep: (done: number): void => void (done === step && fail()),
    });
    let asked = 0;
    const failsOnce: typeof predict = (...args) => (++asked === 2 ? fail() : predict(...args));
    const runs: [typeof predict, Partial<SampleOptions>][] = [
      [predict, failsIn(1)],
      [failsOnce, { noise, onStep: (_, __, { x, denoised }) => tf.dispose([x, denoised]) }],
      ...(name === "ddim" ? [[predict, { noise: fail }] as [typeof predict, Partial<SampleOptions>]] : []),
    ];
    for (const [predict, more] of runs) {
      asked = 0;
      assert.throws(() => sampleSync(name, predict, x, { ...options, ...more }), /^stop$/);
      asked = 0;
      await rejects(
        sample(name, async (...args) => predict(...args), x, { ...options, ...more }),
        /^stop$/,
      );
    }
    assert.is(tf.memory().numTensors, before);
  });
}

test("churn raises the noise only within its interval, and never where there is no data", async () => {
  const asked: number[] = [];
  const noises: number[] = [];
  await sample(
    "edm",
    (x, t) => {
      asked.push(t);
      return tf.zerosLike(x);
    },
    x,
    {
      steps: 4,
      churn: { amount: 100, interval: [0, 2] },
      noise: (index) => {
        noises.push(index);
        return tf.zerosLike(x);
      },
    },
  );
  // Of the ratios infinity, 3, 1 and 1/3 the last two lie in the interval.
  assert.equal(noises, [2, 3]);
  const churned = (ratio: number): number => (ratio * Math.SQRT2) / (1 + ratio * Math.SQRT2);
  const expected = [1, 0.75, 0.75, 0.5, churned(1), 0.25, churned(1 / 3)];
  assert.ok(relativeError(asked, expected) < 1e-12, `${asked}`);
});

test("clipping bounds the predicted data", async () => {
  const far = tf.mul(tf.onesLike(x), 3);
  for (const name of ["euler", "ddim", "dpm-solver++"] as const) {
    const result = await sample(name, (x, t) => tf.div(tf.sub(x, far), t), x, { steps: 3, clip: true });
    assert.ok(relativeError(result, tf.onesLike(x)) < 1e-5, name);
  }
});

test.run();
