/**
 * The order of convergence of every sampler where all is known: data N(m, s^2) in each coordinate, of which data, noise and
 * velocity are affine in x. The exact ODE keeps (x - alpha m) / deviation; of stochastic samplers the mean and the variance
 * are carried through the same affine steps, with no noise for the one and unit noise, draw by draw, for the other.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type PathPoint, type ProcessConfig, processPath } from "../../lib/diffusion/index.ts";
import { gridPoints } from "../../lib/samplers/grid.ts";
import {
  type Predict,
  type SampleOptions,
  type SamplerName,
  type SamplerSettings,
  sample,
  timeSteps,
} from "../../lib/samplers/index.ts";
import { type Tensor, tf } from "../../lib/tensor/index.ts";

const [MEAN, DEVIATION] = [0.7, 0.5];
type Options = SampleOptions & SamplerSettings;

const LINEAR: ProcessConfig = { type: "interpolant", path: "linear", times: "uniform" };
const COSINE: ProcessConfig = { ...LINEAR, path: "cosine" };
const GAUSSIAN: ProcessConfig = {
  type: "gaussian",
  schedule: "squaredcos_cap_v2",
  steps: 1000,
  prediction: "noise",
  learnSigma: false,
};

const deviationAt = ({ alpha, sigma }: PathPoint): number => Math.hypot(alpha * DEVIATION, sigma);

/** What the best network says: the velocity of an interpolant, the noise of a Gaussian process. */
function predictOf(process: ProcessConfig): Predict<Tensor> {
  const path = processPath(process);
  return (x, t) => {
    const at = path.at(t);
    const away = tf.div(tf.sub(x, at.alpha * MEAN), deviationAt(at) ** 2);
    const noise = tf.mul(away, at.sigma);
    if (process.type === "gaussian") return noise;
    const data = tf.add(tf.mul(away, at.alpha * DEVIATION ** 2), MEAN);
    return tf.add(tf.mul(data, at.dAlpha), tf.mul(noise, at.dSigma));
  };
}

/** Distance to where the exact ODE leads. */
async function pathError(name: SamplerName, process: ProcessConfig, options: Options): Promise<number> {
  const points = gridPoints(process, options.steps, options.grid);
  const [begin, end] = [points[0], points[options.steps]];
  const start = [-1.5, -0.3, 0.4, 2];
  const ends = await sample(name, predictOf(process), tf.tensor(start, [4, 1, 1, 1]), {
    process,
    ...options,
  });
  const growth = deviationAt(end) / deviationAt(begin);
  const exact = start.map((x) => end.alpha * MEAN + growth * (x - begin.alpha * MEAN));
  return Math.max(...Array.from(ends.dataSync(), (x, i) => Math.abs(x - exact[i])));
}

/** Distance of the samples' mean and deviation to those of the data. */
async function momentError(name: SamplerName, process: ProcessConfig, options: Options): Promise<number> {
  const [begin] = gridPoints(process, options.steps, options.grid);
  const rows = options.steps + 2;
  const mean = begin.alpha * MEAN;
  // Row 0 is the mean; row 1 begins a deviation away from it; the others each get one step's noise.
  const start = Array.from({ length: rows }, (_, row) => (row === 1 ? mean + deviationAt(begin) : mean));
  const noise = (index: number): Tensor =>
    tf.tensor(
      Array.from({ length: rows }, (_, row) => (row === index + 2 ? 1 : 0)),
      [rows, 1, 1, 1],
    );
  const x = tf.tensor(start, [rows, 1, 1, 1]);
  const [first, ...others] = (
    await sample(name, predictOf(process), x, { process, noise, ...options })
  ).dataSync();
  const deviation = Math.hypot(...others.map((other) => other - first));
  return Math.max(Math.abs(first - MEAN), Math.abs(deviation - DEVIATION));
}

interface Case {
  name: SamplerName;
  process: ProcessConfig;
  options?: Omit<Options, "steps">;
  /** Times of an interior stretch of the path, in place of all of it. */
  between?: readonly [from: number, to: number];
  order: number;
  /** By how much what is measured may differ. */
  within: number;
  measure?: typeof pathError;
  /** Step counts. A Gaussian process is rounded to whole ones of its 1000 steps, which shows in more. */
  counts?: readonly number[];
}

const FEW = [16, 32, 64];
const SOME = [32, 64, 128];
const MANY = [128, 256, 512];
const ETA = { eta: 1 };
const CHURN = { churn: { amount: 1 } };
/** All the way: Euler-Maruyama's own last step from 0.04 leaves an error of its own. */
const EVEN = { grid: {} };
const CASES: Case[] = [
  { name: "euler", process: LINEAR, order: 1, within: 0.05 },
  { name: "euler", process: COSINE, order: 1, within: 0.05 },
  { name: "euler", process: GAUSSIAN, order: 1, within: 0.05, counts: FEW },
  { name: "heun", process: LINEAR, order: 2, within: 0.1 },
  { name: "heun", process: COSINE, order: 2, within: 0.1 },
  { name: "heun", process: GAUSSIAN, order: 2, within: 0.4, counts: FEW },
  { name: "heun", process: LINEAR, options: { grid: { spacing: "cosine" } }, order: 2, within: 0.1 },
  { name: "heun", process: LINEAR, options: { grid: { shift: 3 } }, order: 2, within: 0.1 },
  { name: "heun", process: LINEAR, between: [0.95, 0.05], order: 2, within: 0.1 },
  { name: "ddim", process: LINEAR, order: 1, within: 0.05 },
  { name: "ddim", process: GAUSSIAN, order: 1, within: 0.05, counts: FEW },
  { name: "ddim", process: LINEAR, options: ETA, measure: momentError, order: 1, within: 0.15 },
  { name: "ddim", process: GAUSSIAN, options: ETA, measure: momentError, order: 1, within: 0.15 },
  { name: "ddpm", process: GAUSSIAN, measure: momentError, order: 1, within: 0.1 },
  { name: "euler-maruyama", process: LINEAR, options: EVEN, measure: momentError, order: 1, within: 0.15 },
  { name: "euler-maruyama", process: COSINE, options: EVEN, measure: momentError, order: 1, within: 0.1 },
  { name: "dpm-solver++", process: LINEAR, between: [0.95, 0.05], order: 2, within: 0.1 },
  { name: "dpm-solver++", process: COSINE, between: [0.95, 0.05], order: 2, within: 0.1 },
  { name: "dpm-solver++", process: GAUSSIAN, order: 2, within: 0.2, counts: FEW },
  // At both ends of an interpolant log(alpha/sigma) is infinite: the error is one of log(N) / N^2.
  { name: "dpm-solver++", process: LINEAR, order: 2, within: 0.3, counts: MANY },
  { name: "dpm-solver++", process: COSINE, order: 2, within: 0.4, counts: MANY },
  { name: "edm", process: LINEAR, order: 2, within: 0.1 },
  { name: "edm", process: LINEAR, options: CHURN, measure: momentError, order: 2, within: 0.3 },
  { name: "edm", process: COSINE, options: CHURN, measure: momentError, order: 2, within: 0.3 },
  {
    name: "edm",
    process: GAUSSIAN,
    options: CHURN,
    measure: momentError,
    order: 2,
    within: 0.3,
    counts: FEW,
  },
];

for (const { name, process, between, order, within, ...rest } of CASES) {
  const { options, measure = pathError, counts = SOME } = rest;
  const path = process.type === "gaussian" ? "a Gaussian process" : `the ${process.path} path`;
  test(`${name} on ${path}${between ? ` from ${between[0]} to ${between[1]}` : ""}${options ? ` with ${JSON.stringify(options)}` : ""} is of order ${order}`, async () => {
    const errors: number[] = [];
    for (const steps of counts) {
      const grid = between && { grid: timeSteps(...between, steps) };
      errors.push(await measure(name, process, { ...options, ...grid, steps }));
    }
    const slopes = errors
      .slice(1)
      .map((error, i) => Math.log(errors[i] / error) / Math.log(counts[i + 1] / counts[i]));
    for (const slope of slopes)
      assert.ok(Math.abs(slope - order) <= within, `slopes ${slopes}; errors ${errors}`);
  });
}

test.run();
