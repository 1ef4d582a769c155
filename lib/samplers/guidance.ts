/** Classifier-free guidance, within an interval of times. */
import { type Tensor, tf } from "../tensor/tf.ts";
import type { Velocity } from "./euler.ts";

/** A velocity network on a batch: x [B,C,H,W], t [B], class ids y [B] int32. Plain or compiled. */
export type VelocityModel<V = Tensor | Promise<Tensor>> = (x: Tensor, t: Tensor, y: Tensor) => V;

export interface Guidance {
  /** 1 is no guidance. */
  scale: number;
  /** Times (inclusive) between which guidance acts. Default: all. */
  interval?: readonly [low: number, high: number];
}

/** Whether guidance acts in a step that begins at a time. */
export const guidesAt = (
  { scale, interval: [low, high] = [0, 1] }: Guidance = { scale: 1 },
  stepTime: number,
): boolean => scale > 1 && stepTime >= low && stepTime <= high;

/** The class ids of a guided batch: those of y [B], then the null class as often. */
export const withNullClass = (y: Tensor, nullClass: number): Tensor =>
  tf.concat([y, tf.fill(y.shape, nullClass, "int32")]);

/** v(null) + scale (v(y) - v(null)) from the velocities [2B,...] of both halves. */
export const guide = (velocities: Tensor, scale: number | Tensor): Tensor =>
  tf.tidy(() => {
    const [conditional, unconditional] = tf.split(velocities, 2);
    return tf.add(unconditional, tf.mul(tf.sub(conditional, unconditional), scale));
  });

const times = (count: number, t: number): Tensor => tf.fill([count], t);

/**
 * The velocity of `model` for class ids y [B]: v(null) + scale (v(y) - v(null)) where guidance acts, both halves in one
 * batch of 2B; v(y) elsewhere. `nullClass` is the id that stands for no class.
 */
export function classVelocity(
  model: VelocityModel,
  y: Tensor,
  nullClass: number,
  guidance: Guidance = { scale: 1 },
): Velocity {
  const count = y.shape[0];
  const both = withNullClass(y, nullClass);
  return async (x, t, stepTime) => {
    if (!guidesAt(guidance, stepTime)) return model(x, times(count, t), y);
    const doubled = tf.tidy(() => tf.concat([x, x]));
    return guide(await model(doubled, times(2 * count, t), both), guidance.scale);
  };
}
