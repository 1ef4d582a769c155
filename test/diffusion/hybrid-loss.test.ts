/** The variational bound in float32, eager and compiled, against its definition in double precision. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { betaSchedule, gaussianDiffusion, hybridLoss, noisedAt } from "../../lib/diffusion/index.ts";
import { discretizedLogLikelihood, normalKL } from "../../lib/diffusion/likelihood.ts";
import { jit } from "../../lib/jit/index.ts";
import { randomGenerator, type Tensor, tf } from "../../lib/tensor/index.ts";
import { relativeError } from "../parity.ts";

const diffusion = gaussianDiffusion(betaSchedule("linear"));
const CONFIG = { type: "gaussian", schedule: "linear", steps: 1000, prediction: "noise", learnSigma: true } as const;
const LEAST = Math.log(1e-12);

interface Derivatives {
  value: number;
  byMean: number;
  byLogVariance: number;
}

/**
 * The published formula, log of (1 + tanh u)/2 at one edge of a byte less that at the other, in double precision. The
 * difference of two tanh is sinh(u1 - u2) / (cosh u1 cosh u2).
 */
function likelihood(x: number, mean: number, logVariance: number): Derivatives {
  const s = Math.exp(-logVariance / 2);
  const edge = (h: number) => {
    const p = s * (x - mean + h);
    const u = Math.sqrt(2 / Math.PI) * (p + 0.044715 * p ** 3);
    const slope = Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * p * p);
    return { u, density: slope / (2 * Math.cosh(u) ** 2), p };
  };
  const [upper, lower] = [edge(1 / 255), edge(-1 / 255)];
  const first = x < -0.999;
  const last = !first && x > 0.999;
  let probability = Math.sinh(upper.u - lower.u) / (2 * Math.cosh(upper.u) * Math.cosh(lower.u));
  if (first) probability = 1 / (1 + Math.exp(-2 * upper.u));
  if (last) probability = 1 / (1 + Math.exp(2 * lower.u));
  if (!(probability >= 1e-12)) return { value: LEAST, byMean: 0, byLogVariance: 0 };
  const [above, below] = [last ? 0 : upper.density, first ? 0 : lower.density];
  return {
    value: Math.log(probability),
    byMean: (-s * (above - below)) / probability,
    byLogVariance: (-0.5 * (above * upper.p - below * lower.p)) / probability,
  };
}

/** A function's values, and the gradients of their sum by its first inputs. */
const differentiated =
  (fn: (...inputs: Tensor[]) => Tensor, count: number) =>
  (...inputs: Tensor[]) => ({
    value: fn(...inputs),
    gradients: tf.grads((...x) => tf.sum(fn(...x, ...inputs.slice(count))))(inputs.slice(0, count)),
  });
const MODES: Record<string, typeof jit> = { eager: (fn) => fn as never, compiled: jit };

const close = (actual: Tensor, expected: number[], tolerance: number, what: string): void => {
  for (const [i, value] of actual.dataSync().entries())
    assert.ok(
      Math.abs(value - expected[i]) <= tolerance * (1 + Math.abs(expected[i])),
      `${what} ${i}: ${value}, expected ${expected[i]}`,
    );
};

for (const [mode, compile] of Object.entries(MODES)) {
  test(`the likelihood of bytes and its gradient, from the middle to the far tails, ${mode}`, async () => {
    const random = randomGenerator(1);
    const [x, mean, logVariance]: number[][] = [[], [], []];
    while (x.length < 20_000) {
      const at = x.length % 4 === 0 ? (x.length % 8 === 0 ? -1 : 1) : 2 * random.uniform() - 1;
      const spread = Math.exp(-6 * random.uniform());
      const values = [at, at + spread * 12 * (random.uniform() - 0.5), 2 * Math.log(spread)].map(Math.fround);
      // At the clamp itself the gradient jumps.
      const { value } = likelihood(values[0], values[1], values[2]);
      if (value !== LEAST && value - LEAST < 0.01) continue;
      for (const [i, column] of [x, mean, logVariance].entries()) column.push(values[i]);
    }
    const expected = x.map((_, i) => likelihood(x[i], mean[i], logVariance[i]));
    const inputs = [x, mean, logVariance].map((column) => tf.tensor1d(column));
    const { value, gradients } = await compile(differentiated(discretizedLogLikelihood, 3))(...inputs);
    const [byX, byMean, byLogVariance] = gradients;
    close(
      value,
      expected.map(({ value }) => value),
      1e-5,
      "log likelihood",
    );
    close(
      byX,
      expected.map(({ byMean }) => -byMean),
      1e-4,
      "gradient by x",
    );
    close(
      byMean,
      expected.map(({ byMean }) => byMean),
      1e-4,
      "gradient by the mean",
    );
    close(
      byLogVariance,
      expected.map(({ byLogVariance }) => byLogVariance),
      1e-4,
      "gradient by the log variance",
    );
    for (const tensor of [value, ...gradients])
      assert.ok(tensor.dataSync().every(Number.isFinite), "all numbers are finite");
  });

  test(`divergence of nearly equal distributions, ${mode}`, async () => {
    const excess = [0, 1e-6, -1e-4, 1e-3, 0.02, -0.3, 0.49, 0.51, -0.51, 3, -5];
    const inputs = [excess.map(() => 0), excess, excess.map(() => -2)].map((column) => tf.tensor1d(column));
    const { value, gradients } = await compile(differentiated(normalKL, 3))(...inputs);
    const [values, slopes] = [value.dataSync(), gradients[1].dataSync()];
    for (const [i, given] of excess.entries()) {
      const x = Math.fround(given);
      // In double precision the definition keeps 1e-16 of 1; below, the first terms of its series.
      const series = (x * x) / 2 - x ** 3 / 6 + x ** 4 / 24;
      const expected = (Math.abs(x) < 1e-3 ? series : x + Math.exp(-x) - 1) / 2;
      assert.ok(
        Math.abs(values[i] - expected) <= 2e-6 * expected,
        `${x}: ${values[i]}, expected ${expected}`,
      );
      const slope = -Math.expm1(-x) / 2;
      assert.ok(
        Math.abs(slopes[i] - slope) <= 2e-6 * Math.abs(slope),
        `${x}: slope ${slopes[i]}, expected ${slope}`,
      );
    }
  });
}

const SHAPE = [4, 4, 8, 8];
const SIZE = 4 * 8 * 8;

/** The bound of one sample in bits a dimension, and its gradient by the variance channels. */
function bound(step: number, sample: Record<"x" | "input" | "prediction" | "variance", Float32Array>) {
  const d = diffusion;
  const [least, most] = [d.posteriorLogVarianceClipped[step], Math.log(d.betas[step])];
  const alpha = d.alphasCumprod[step];
  let bits = 0;
  const gradient = Array.from(sample.x, (x, i) => {
    const input = sample.input[i];
    const fixed = Math.sqrt(1 / alpha) * input - Math.sqrt(1 / alpha - 1) * sample.prediction[i];
    const [c1, c2] = [d.posteriorMeanCoef1[step], d.posteriorMeanCoef2[step]];
    const [truth, mean] = [c1 * x + c2 * input, c1 * fixed + c2 * input];
    const share = (sample.variance[i] + 1) / 2;
    const logVariance = share * most + (1 - share) * least;
    const unit = 1 / (SIZE * Math.LN2);
    const slope = ((most - least) / 2) * unit;
    if (step === 0) {
      const { value, byLogVariance } = likelihood(x, mean, logVariance);
      bits -= value * unit;
      return -byLogVariance * slope;
    }
    const gap = logVariance - least;
    const distance = (truth - mean) ** 2 * Math.exp(-logVariance);
    bits += 0.5 * (gap + Math.expm1(-gap) + distance) * unit;
    return 0.5 * (-Math.expm1(-gap) - distance) * slope;
  });
  return { bits, gradient };
}

/** A batch as a network of some error sees it: data in [-1, 1], some of it at the ends. */
function batchAt(step: number, seed: number, error: number) {
  const random = randomGenerator(seed);
  const draw = (scale: number) => tf.mul(tf.tensor(random.normals(4 * SIZE), SHAPE), scale) as Tensor;
  const x = tf.clipByValue(draw(0.6), -1, 1) as Tensor;
  const noise = draw(1);
  const t = tf.fill([4], step) as Tensor;
  const input = noisedAt(diffusion, { x, noise, t });
  const prediction = tf.add(noise, draw(error)) as Tensor;
  return { x, noise, t, input, prediction, variance: draw(1.5) };
}

for (const [mode, compile] of Object.entries(MODES))
  for (const step of [0, 1, 500, 999])
    test(`the bound at step ${step} and its gradient, ${mode}`, async () => {
      const vb = (output: Tensor, x: Tensor, noise: Tensor, t: Tensor, input: Tensor): Tensor =>
        hybridLoss(diffusion, CONFIG, output, input, { x, noise, t }).vb as Tensor;
      const run = compile(differentiated(vb, 1));
      const worst = { loss: 0, gradient: 0 };
      for (let seed = 0; seed < 20; seed++) {
        const batch = batchAt(step, seed, [0.02, 0.3, 1, 3][seed % 4]);
        const { x, noise, t, input, prediction, variance } = batch;
        const output = tf.concat([prediction, variance], 1) as Tensor;
        const { value, gradients } = await run(output, x, noise, t, input);
        const rows = (tensor: Tensor, n: number) =>
          tensor.dataSync().slice(n * SIZE, (n + 1) * SIZE) as Float32Array;
        const expected = [0, 1, 2, 3].map((n) =>
          bound(step, {
            x: rows(x, n),
            input: rows(input, n),
            prediction: rows(prediction, n),
            variance: rows(variance, n),
          }),
        );
        const [byPrediction, byVariance] = tf.split(gradients[0], 2, 1);
        assert.ok(
          byPrediction.dataSync().every((slope) => slope === 0),
          "the bound trains the variance alone",
        );
        for (const [n, { bits, gradient }] of expected.entries()) {
          worst.loss = Math.max(worst.loss, Math.abs(value.dataSync()[n] / bits - 1));
          worst.gradient = Math.max(worst.gradient, relativeError(rows(byVariance, n), gradient));
        }
      }
      assert.ok(worst.loss < 1e-4, `relative error of the loss ${worst.loss}`);
      assert.ok(worst.gradient < 1e-3, `relative error of the gradient ${worst.gradient}`);
    });

test.run();
