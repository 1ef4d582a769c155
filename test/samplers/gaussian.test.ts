/** Discrete diffusion against closed forms: losses and samplers where the best prediction is known. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  BETA_SCHEDULES,
  betaSchedule,
  drawSteps,
  type GaussianConfig,
  gaussianDiffusion,
  hybridLoss,
  noisedAt,
} from "../../lib/diffusion/index.ts";
import { sample } from "../../lib/samplers/index.ts";
import { normalTensor, randomGenerator, type Tensor, tf } from "../../lib/tensor/index.ts";
import { relativeError } from "../parity.ts";

const LEARNED: GaussianConfig = {
  type: "gaussian",
  schedule: "linear",
  steps: 1000,
  prediction: "noise",
  learnSigma: true,
};
const FIXED: GaussianConfig = { ...LEARNED, learnSigma: false };
const process = gaussianDiffusion(betaSchedule("linear"));
const random = randomGenerator(1);
const shape = [4, 2, 3, 3];
const [x, noise] = [
  tf.clipByValue(normalTensor(random, shape), -1, 1),
  normalTensor(random, shape),
] as Tensor[];

test("a perfect prediction with the posterior's variance has no loss", () => {
  const t = tf.tensor1d([1, 17, 500, 999]);
  const input = noisedAt(process, { x, noise, t });
  for (const prediction of ["noise", "data"] as const) {
    const output = tf.concat([prediction === "noise" ? noise : x, tf.fill(shape, -1)], 1);
    const { mse, vb } = hybridLoss(process, { ...LEARNED, prediction }, output, input, { x, noise, t });
    assert.ok(mse.dataSync().every((value) => value < 1e-12));
    assert.ok(
      vb!.dataSync().every((value) => Math.abs(value) < 1e-3),
      `${vb}`,
    );
  }
});

test("the bound of another variance is the divergence of two normal distributions of one mean", () => {
  const step = 400;
  const t = tf.fill([4], step);
  const input = noisedAt(process, { x, noise, t });
  const output = tf.concat([noise, tf.fill(shape, 1)], 1);
  const { vb } = hybridLoss(process, LEARNED, output, input, { x, noise, t });
  // log(beta / posterior) halves, and the ratio of the variances.
  const ratio = process.posteriorVariance[step] / process.betas[step];
  const nats = 0.5 * (-Math.log(ratio) + ratio - 1);
  for (const bits of vb!.dataSync()) assert.ok(Math.abs(bits - nats / Math.LN2) < 1e-6, `${bits}`);
});

test("at step 0 the bound is the likelihood of bytes, which sum to 1", () => {
  const count = 256;
  const bytes = Float32Array.from({ length: count }, (_, i) => (i / 255) * 2 - 1);
  const x = tf.tensor4d(bytes, [count, 1, 1, 1]);
  const zeros = tf.zeros(x.shape);
  const t = tf.zeros([count]);
  // The same prediction for every byte: data at 0.3, and the largest variance.
  const data = { ...LEARNED, prediction: "data" as const };
  const output = tf.concat([tf.fill(x.shape, 0.3), tf.fill(x.shape, 1)], 1);
  const { vb } = hybridLoss(process, data, output, zeros, { x, noise: zeros, t });
  const total = Array.from(vb!.dataSync()).reduce((sum, bits) => sum + 2 ** -bits, 0);
  assert.ok(Math.abs(total - 1) < 1e-3, `${total}`);
  const likeliest = [...vb!.dataSync()].indexOf(Math.min(...vb!.dataSync()));
  assert.is(likeliest, Math.round((1.3 / 2) * 255));
});

test("the bound does not train the prediction, nor the squared error the variance", () => {
  const t = tf.tensor1d([0, 17, 500, 999]);
  const input = noisedAt(process, { x, noise, t });
  const output = normalTensor(random, [4, 4, 3, 3]);
  const gradientOf = (name: "mse" | "vb"): Tensor[] => {
    const loss = (output: Tensor): Tensor =>
      tf.sum(hybridLoss(process, LEARNED, output, input, { x, noise, t })[name]!);
    return tf.split(tf.grad(loss as never)(output), 2, 1);
  };
  const zero = (gradient: Tensor): boolean => gradient.dataSync().every((value) => value === 0);
  assert.equal(
    [gradientOf("mse").map(zero), gradientOf("vb").map(zero)],
    [
      [false, true],
      [true, false],
    ],
  );
});

test("x_t has the variance of its level, and steps are drawn evenly", () => {
  for (const schedule of BETA_SCHEDULES) {
    const diffusion = gaussianDiffusion(betaSchedule(schedule));
    const noise = normalTensor(randomGenerator(2), [2, 1, 100, 100]);
    const noised = noisedAt(diffusion, { x: tf.zerosLike(noise), noise, t: tf.tensor1d([250, 750]) });
    const variances = tf.moments(noised, [1, 2, 3]).variance.dataSync();
    [250, 750].forEach((t, i) => {
      assert.ok(Math.abs(variances[i] / (1 - diffusion.alphasCumprod[t]) - 1) < 0.06, `${schedule} ${t}`);
    });
  }
  const steps = drawSteps(randomGenerator(3), 20_000, { steps: 10 });
  for (let step = 0; step < 10; step++) {
    const share = steps.filter((value) => value === step).length / steps.length;
    assert.ok(Math.abs(share - 0.1) < 0.01, `step ${step}: ${share}`);
  }
});

/** All data in one point: the best prediction of noise is exact. */
const pointOutput = (target: Tensor, learned: boolean) => {
  return (x: Tensor, t: number): Tensor => {
    const alpha = process.alphasCumprod[t];
    const predicted = tf.div(tf.sub(x, tf.mul(target, Math.sqrt(alpha))), Math.sqrt(1 - alpha));
    return learned ? tf.concat([predicted, tf.zerosLike(predicted)], 1) : predicted;
  };
};

test("both samplers end in the point that all data lies in, whatever the spacing", async () => {
  for (const [steps, grid] of [
    [1, undefined],
    [7, undefined],
    [50, "ddim50"],
    [15, "3,2,10"],
  ] as const) {
    for (const process of [LEARNED, FIXED]) {
      const denoiser = pointOutput(x, process.learnSigma);
      const options = {
        steps,
        grid,
        process,
        noise: (_: number, shape: number[]) => normalTensor(random, shape),
      };
      for (const sampler of ["ddpm", "ddim"] as const)
        assert.ok(relativeError(await sample(sampler, denoiser, noise, options), x) < 1e-3, grid);
      const noisy = await sample("ddim", denoiser, noise, { ...options, eta: 1 });
      assert.ok(relativeError(noisy, x) < 1e-3, grid);
    }
  }
});

test("data of a normal distribution is drawn with its deviation", async () => {
  const deviation = 0.5;
  const random = randomGenerator(4);
  const start = normalTensor(random, [2000, 1, 2, 2]);
  // The best prediction of the noise for data N(0, s^2): sigma x / (alpha s^2 + sigma^2).
  const denoiser = (x: Tensor, t: number): Tensor => {
    const alpha = process.alphasCumprod[t];
    return tf.mul(x, Math.sqrt(1 - alpha) / (alpha * deviation ** 2 + 1 - alpha));
  };
  const noise = (_: number, shape: number[]): Tensor => normalTensor(random, shape);
  for (const sampler of ["ddpm", "ddim"] as const) {
    const ends = await sample(sampler, denoiser, start, { steps: 200, process: FIXED, noise });
    const drawn = Math.sqrt(tf.moments(ends).variance.dataSync()[0]);
    assert.ok(Math.abs(drawn - deviation) < 0.03, `${drawn}`);
  }
});

test("clipping bounds the predicted data, and progress is told", async () => {
  const seen: number[][] = [];
  const result = await sample("ddim", pointOutput(tf.mul(tf.onesLike(x), 3), false), noise, {
    steps: 3,
    process: FIXED,
    clip: true,
    onStep: (done, total) => seen.push([done, total]),
  });
  assert.ok(relativeError(result, tf.onesLike(x)) < 1e-5);
  assert.equal(seen, [
    [1, 3],
    [2, 3],
    [3, 3],
  ]);
});

test.run();
