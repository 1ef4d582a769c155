/** Classifier-free guidance, within an interval of times. */
import { type Tensor, tf } from "../tensor/tf.ts";
import type { Velocity } from "./euler.ts";

/** A velocity network on a batch: x [B,C,H,W], t [B], class ids y [B] int32. Plain or compiled. */
export type VelocityModel = (x: Tensor, t: Tensor, y: Tensor) => Tensor | Promise<Tensor>;

export interface Guidance {
  /** 1 is no guidance. */
  scale: number;
  /** Times (inclusive) between which guidance acts. Default: all. */
  interval?: readonly [low: number, high: number];
}

const times = (count: number, t: number): Tensor => tf.fill([count], t);

/**
 * The velocity of `model` for class ids y [B]: v(null) + scale (v(y) - v(null)) where guidance acts, both halves in one
 * batch of 2B; v(y) elsewhere. `nullClass` is the id that stands for no class.
 */
export function classVelocity(
  model: VelocityModel,
  y: Tensor,
  nullClass: number,
  { scale, interval: [low, high] = [0, 1] }: Guidance = { scale: 1 },
): Velocity {
  const count = y.shape[0];
  const both = tf.concat([y, tf.fill([count], nullClass, "int32")]);
  return async (x, t, stepTime) => {
    if (scale <= 1 || stepTime < low || stepTime > high) return model(x, times(count, t), y);
    const doubled = tf.tidy(() => tf.concat([x, x]));
    const velocities = await model(doubled, times(2 * count, t), both);
    return tf.tidy(() => {
      const [conditional, unconditional] = tf.split(velocities, 2);
      return tf.add(unconditional, tf.mul(tf.sub(conditional, unconditional), scale));
    });
  };
}
