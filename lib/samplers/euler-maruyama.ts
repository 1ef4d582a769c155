/** Sampler of the reverse SDE dx = (v - w s / 2) dt + sqrt(w) dW with diffusion w(t) = 2 t and score s. */
import { type InterpolantName, interpolantCoefficients } from "../diffusion/interpolants.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { advance, timeSteps } from "./euler.ts";
import {
  checkSteps,
  type Sampler,
  type SamplerOptions,
  type Step,
  sampled,
  sampledSync,
  type Velocity,
} from "./steps.ts";

export interface EulerMaruyamaOptions extends SamplerOptions {
  /** Standard normal noise of x's shape for step `index` (from 0); the last step draws none. */
  noise: (index: number, shape: number[]) => Tensor;
  interpolant?: InterpolantName;
}

/** Where the SDE hands over to one last step without noise. */
const LAST_TIME = 0.04;

/** The score grad log p_t(x) that a velocity implies. */
export function scoreFromVelocity(
  velocity: Tensor,
  x: Tensor,
  t: number | Tensor,
  interpolant: InterpolantName = "linear",
): Tensor {
  if (typeof t === "number" && !(t >= 0 && t <= 1))
    throw new RangeError(`a score's time must be from 0 to 1, got ${t}`);
  return tf.tidy(() => {
    const time = typeof t === "number" ? tf.scalar(t) : t;
    const { alpha, sigma, dAlpha, dSigma } = interpolantCoefficients(interpolant, time);
    const ratio = tf.div(alpha, dAlpha);
    const variance = tf.sub(tf.square(sigma), tf.mul(tf.mul(ratio, dSigma), sigma));
    return tf.div(tf.sub(tf.mul(ratio, velocity), x), variance);
  });
}

/** The numbers of one step. */
export interface SDEStep<N = number> {
  t: N;
  /** How far time moves, below 0. */
  dt: N;
  /** Half of the diffusion w(t), the score's factor in the drift. */
  pull: N;
  /** Standard deviation of the noise; 0 in the last step. */
  spread: N;
}

/** The numbers of all steps. */
export function sdeSteps(steps: number): SDEStep[] {
  checkSteps(steps, 2);
  const times = [...timeSteps(1, LAST_TIME, steps - 1), 0];
  return Array.from({ length: steps }, (_, i) => {
    const [t, dt] = [times[i], times[i + 1] - times[i]];
    return { t, dt, pull: t, spread: i === steps - 1 ? 0 : Math.sqrt(2 * t * -dt) };
  });
}

/** One step; `noise` draws a standard normal of x's shape, and is absent in the last step. */
export function* sdeStep<N extends number | Tensor>(
  x: Tensor,
  { t, dt, pull, spread }: SDEStep<N>,
  interpolant: InterpolantName,
  noise?: () => Tensor,
): Step<N> {
  const velocity = yield { x, t };
  return tf.tidy(() => {
    const drift = tf.sub(velocity, tf.mul(scoreFromVelocity(velocity, x, t, interpolant), pull));
    const mean = advance(x, drift, dt);
    return noise ? tf.add(mean, tf.mul(noise(), spread)) : mean;
  });
}

const sdeSampler = ({ steps, noise, interpolant = "linear" }: EulerMaruyamaOptions): Sampler<SDEStep> => ({
  steps: sdeSteps(steps),
  begins: ({ t }) => t,
  step: (x, numbers, index) =>
    sdeStep(x, numbers, interpolant, numbers.spread > 0 ? () => noise(index, x.shape) : undefined),
});

/** Euler-Maruyama: `steps` velocities, noise after all but the last. `x` is noise [B,C,H,W]. */
export const eulerMaruyamaSampler = async (
  velocity: Velocity,
  x: Tensor,
  options: EulerMaruyamaOptions,
): Promise<Tensor> => sampled(sdeSampler(options), velocity, x, options.onStep);

/** The same for a velocity without promises. */
export const eulerMaruyamaSamplerSync = (
  velocity: Velocity<Tensor>,
  x: Tensor,
  options: EulerMaruyamaOptions,
): Tensor => sampledSync(sdeSampler(options), velocity, x, options.onStep);
