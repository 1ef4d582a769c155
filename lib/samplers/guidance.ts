/** Classifier-free guidance, within an interval of times (of a DiT: step / T). */
import { type Tensor, tf } from "../tensor/tf.ts";
import type { Velocity } from "./euler.ts";

/** A network on a batch: x [B,C,H,W], t [B], class ids y [B] int32 -> what it predicts. Plain or compiled. */
export type VelocityModel<V = Tensor | Promise<Tensor>> = (x: Tensor, t: Tensor, y: Tensor) => V;

export interface Guidance {
  /** 1 is no guidance. */
  scale: number;
  /** Times (inclusive) between which guidance acts. Default: all. */
  interval?: readonly [low: number, high: number];
  /**
   * The first channels, which are guided; the others, as a DiT's variance, are those of the class. Default: all of them;
   * in `sampleGenerator` 3 of a DiT's, as its released code has it.
   */
  channels?: number;
}

/** Whether guidance acts in a step that begins at a time. */
export const guidesAt = (
  { scale, interval: [low, high] = [0, 1] }: Guidance = { scale: 1 },
  stepTime: number,
): boolean => scale > 1 && stepTime >= low && stepTime <= high;

/** The class ids of a guided batch: those of y [B], then the null class as often. */
export const withNullClass = (y: Tensor, nullClass: number): Tensor =>
  tf.concat([y, tf.fill(y.shape, nullClass, "int32")]);

/** v(null) + scale (v(y) - v(null)) from the outputs [2B,C,H,W] of both halves, in the first `channels` of v(y). */
export const guide = (outputs: Tensor, scale: number | Tensor, channels = outputs.shape[1]!): Tensor =>
  tf.tidy(() => {
    const [conditional, unconditional] = tf.split(outputs, 2);
    const guided = (y: Tensor, none: Tensor): Tensor => tf.add(none, tf.mul(tf.sub(y, none), scale));
    const others = outputs.shape[1]! - channels;
    if (others <= 0) return guided(conditional, unconditional);
    const [[y, rest], [none]] = [conditional, unconditional].map((half) =>
      tf.split(half, [channels, others], 1),
    );
    return tf.concat([guided(y, none), rest], 1);
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
    return guide(await model(doubled, times(2 * count, t), both), guidance.scale, guidance.channels);
  };
}
