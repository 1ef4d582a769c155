/** Samplers of the probability-flow ODE dx/dt = v(x, t), from noise (t = 1) to data (t = 0). */
import { type Tensor, tf } from "../tensor/tf.ts";
import {
  checkSteps,
  type Sampler,
  type SamplerOptions,
  type Step,
  sampled,
  sampledSync,
  type Velocity,
} from "./steps.ts";

/** `count` + 1 times from `from` to `to`, evenly spaced. */
export const timeSteps = (from: number, to: number, count: number): number[] =>
  Array.from({ length: count + 1 }, (_, i) => from + ((to - from) * i) / count);

/** x + scale * direction. */
export const advance = (x: Tensor, direction: Tensor, scale: number | Tensor): Tensor =>
  tf.tidy(() => tf.add(x, tf.mul(direction, scale)));

export type ODEKind = "euler" | "heun";

/** The numbers of one step: its time, how far time moves (below 0), and the time at its end. */
export interface ODEStep<N = number> {
  t: N;
  dt: N;
  next: N;
}

/** The numbers of all steps. Heun's last is one of Euler's: there is no velocity at time 0. */
export function odeSteps(kind: ODEKind, steps: number): (ODEStep & { kind: ODEKind })[] {
  checkSteps(steps);
  const times = timeSteps(1, 0, steps);
  return Array.from({ length: steps }, (_, i) => {
    const [t, next] = [times[i], times[i + 1]];
    return { kind: i === steps - 1 ? "euler" : kind, t, dt: next - t, next };
  });
}

/** One step of either: along the velocity at its beginning, or along the mean of those at both ends. */
export function* odeStep<N extends number | Tensor>(
  kind: ODEKind,
  x: Tensor,
  { t, dt, next }: ODEStep<N>,
): Step<N> {
  const first = yield { x, t };
  const predicted = advance(x, first, dt);
  if (kind === "euler") return predicted;
  const second = yield { x: predicted, t: next };
  return tf.tidy(() => advance(x, tf.mul(tf.add(first, second), 0.5), dt));
}

const odeSampler = (kind: ODEKind, steps: number): Sampler<ReturnType<typeof odeSteps>[number]> => ({
  steps: odeSteps(kind, steps),
  begins: ({ t }) => t,
  step: (x, numbers) => odeStep(numbers.kind, x, numbers),
});

/** Euler's method: one velocity a step. `x` is noise [B,C,H,W]; returns data of the same shape. */
export const eulerSampler = async (
  velocity: Velocity,
  x: Tensor,
  { steps, onStep }: SamplerOptions,
): Promise<Tensor> => sampled(odeSampler("euler", steps), velocity, x, onStep);

/** The same for a velocity without promises: in a function that `jit` compiles, its steps one after the other. */
export const eulerSamplerSync = (
  velocity: Velocity<Tensor>,
  x: Tensor,
  { steps, onStep }: SamplerOptions,
): Tensor => sampledSync(odeSampler("euler", steps), velocity, x, onStep);

/** Heun's second-order method: two velocities a step, but one in the last. */
export const heunSampler = async (
  velocity: Velocity,
  x: Tensor,
  { steps, onStep }: SamplerOptions,
): Promise<Tensor> => sampled(odeSampler("heun", steps), velocity, x, onStep);

/** The same for a velocity without promises. */
export const heunSamplerSync = (
  velocity: Velocity<Tensor>,
  x: Tensor,
  { steps, onStep }: SamplerOptions,
): Tensor => sampledSync(odeSampler("heun", steps), velocity, x, onStep);
