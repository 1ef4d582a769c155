/** Sampler of the reverse SDE dx = (v - w s / 2) dt + sqrt(w) dW with diffusion w(t) = 2 t and score s. */
import { type InterpolantName, interpolantCoefficients } from "../diffusion/interpolants.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { checkSteps, type SamplerOptions, timeSteps, type Velocity } from "./euler.ts";

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
  t: number,
  interpolant: InterpolantName = "linear",
): Tensor {
  return tf.tidy(() => {
    const { alpha, sigma, dAlpha, dSigma } = interpolantCoefficients(interpolant, tf.scalar(t));
    const ratio = tf.div(alpha, dAlpha);
    const variance = tf.sub(tf.square(sigma), tf.mul(tf.mul(ratio, dSigma), sigma));
    return tf.div(tf.sub(tf.mul(ratio, velocity), x), variance);
  });
}

/** Euler-Maruyama: `steps` velocities, noise after all but the last. `x` is noise [B,C,H,W]. */
export async function eulerMaruyamaSampler(
  velocity: Velocity,
  x: Tensor,
  { steps, noise, interpolant = "linear", onStep }: EulerMaruyamaOptions,
): Promise<Tensor> {
  checkSteps(steps, 2);
  const times = [...timeSteps(1, LAST_TIME, steps - 1), 0];
  for (let i = 0; i < steps; i++) {
    const [t, next] = [times[i], times[i + 1]];
    const [current, v] = [x, await velocity(x, t, t)];
    const diffusion = 2 * t;
    x = tf.tidy(() => {
      const drift = tf.sub(v, tf.mul(scoreFromVelocity(v, current, t, interpolant), diffusion / 2));
      const mean = tf.add(current, tf.mul(drift, next - t));
      if (i === steps - 1) return mean;
      return tf.add(mean, tf.mul(noise(i, current.shape), Math.sqrt(diffusion * (t - next))));
    });
    onStep?.(i + 1, steps);
  }
  return x;
}
