/** Samplers of the probability-flow ODE dx/dt = v(x, t), from noise (t = 1) to data (t = 0). */
import { type Tensor, tf } from "../tensor/tf.ts";

/**
 * The velocity of a batch x at one time. `stepTime` is the time at which the current step began: within a Heun step
 * guidance is switched by it, as in the reference, and not by `t`.
 */
export type Velocity = (x: Tensor, t: number, stepTime: number) => Tensor | Promise<Tensor>;

export interface SamplerOptions {
  /** Number of steps, at least 1. */
  steps: number;
  /** Called after each step with the number of steps done. */
  onStep?: (done: number, total: number) => void;
}

/** `count` + 1 times from `from` to `to`, evenly spaced. */
export const timeSteps = (from: number, to: number, count: number): number[] =>
  Array.from({ length: count + 1 }, (_, i) => from + ((to - from) * i) / count);

export function checkSteps(steps: number, least = 1): void {
  if (!Number.isInteger(steps) || steps < least) {
    throw new RangeError(`sampler steps must be an integer of at least ${least}, got ${steps}`);
  }
}

/** x + scale * direction. */
export const advance = (x: Tensor, direction: Tensor, scale: number | Tensor): Tensor =>
  tf.tidy(() => tf.add(x, tf.mul(direction, scale)));

/** Heun's step from the velocities at its two ends. */
export const heunAdvance = (x: Tensor, first: Tensor, second: Tensor, scale: number | Tensor): Tensor =>
  tf.tidy(() => advance(x, tf.mul(tf.add(first, second), 0.5), scale));

/** Euler's method: one velocity a step. `x` is noise [B,C,H,W]; returns data of the same shape. */
export async function eulerSampler(
  velocity: Velocity,
  x: Tensor,
  { steps, onStep }: SamplerOptions,
): Promise<Tensor> {
  checkSteps(steps);
  const times = timeSteps(1, 0, steps);
  for (let i = 0; i < steps; i++) {
    const [t, next] = [times[i], times[i + 1]];
    x = advance(x, await velocity(x, t, t), next - t);
    onStep?.(i + 1, steps);
  }
  return x;
}

/** Heun's second-order method: two velocities a step, but one in the last. */
export async function heunSampler(
  velocity: Velocity,
  x: Tensor,
  { steps, onStep }: SamplerOptions,
): Promise<Tensor> {
  checkSteps(steps);
  const times = timeSteps(1, 0, steps);
  for (let i = 0; i < steps; i++) {
    const [t, next] = [times[i], times[i + 1]];
    const first = await velocity(x, t, t);
    const predicted = advance(x, first, next - t);
    if (i === steps - 1) x = predicted;
    else {
      const second = await velocity(predicted, next, t);
      x = heunAdvance(x, first, second, next - t);
    }
    onStep?.(i + 1, steps);
  }
  return x;
}
