/** Sampler of the reverse SDE dx = (v - w s / 2) dt + sqrt(w) dW with diffusion w(t) = 2 t and score s. */
import { type InterpolantName, interpolantCoefficients } from "../diffusion/interpolants.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { advance, checkSteps, type SamplerOptions, timeSteps, type Velocity } from "./euler.ts";

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

/** One step from x and its velocity; `noise` is standard normal, of x's shape, or absent in the last step. */
export function sdeAdvance(
  x: Tensor,
  velocity: Tensor,
  { t, dt, pull, spread }: SDEStep<number | Tensor>,
  interpolant: InterpolantName,
  noise?: Tensor,
): Tensor {
  return tf.tidy(() => {
    const drift = tf.sub(velocity, tf.mul(scoreFromVelocity(velocity, x, t, interpolant), pull));
    const mean = advance(x, drift, dt);
    return noise ? tf.add(mean, tf.mul(noise, spread)) : mean;
  });
}

/** Euler-Maruyama: `steps` velocities, noise after all but the last. `x` is noise [B,C,H,W]. */
export async function eulerMaruyamaSampler(
  velocity: Velocity,
  x: Tensor,
  { steps, noise, interpolant = "linear", onStep }: EulerMaruyamaOptions,
): Promise<Tensor> {
  for (const [i, step] of sdeSteps(steps).entries()) {
    const v = await velocity(x, step.t, step.t);
    x = sdeAdvance(x, v, step, interpolant, step.spread > 0 ? noise(i, x.shape) : undefined);
    onStep?.(i + 1, steps);
  }
  return x;
}
