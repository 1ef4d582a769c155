/** Classifier-free guidance, within an interval of times (of a DiT: step / T). */
import { type Tensor, tf } from "../tensor/tf.ts";
import type { Velocity } from "./steps.ts";

/** A network on a batch: x [B,C,H,W], t [B], class ids y [B] int32 -> what it predicts. Plain or compiled. */
export type VelocityModel<V = Tensor | Promise<Tensor>> = (x: Tensor, t: Tensor, y: Tensor) => V;

export interface Guidance {
  /** Any finite number: 1 is no guidance, 0 no class, between them a mixture of both, below 0 away from the class. */
  scale: number;
  /** Times (inclusive) between which guidance acts, within [0, 1]; of a DiT shares of its steps. Default: all. */
  interval?: readonly [low: number, high: number];
  /**
   * The first channels, which are guided; the others are those of the class, as a DiT's variance always is. Default: all
   * of x's; in `sampleGenerator` 3 of a DiT's, as its released code has it.
   */
  channels?: number;
}

function checkChannels(channels: number | undefined, all: number): void {
  if (channels === undefined || (Number.isInteger(channels) && channels >= 1 && channels <= all)) return;
  const range = all === Number.POSITIVE_INFINITY ? "of at least 1" : `from 1 to the input's ${all}`;
  throw new RangeError(`guided channels must be an integer ${range}, got ${channels}`);
}

/** Throws on guidance that means nothing. `all` is how many channels there are, where that is known. */
export function checkGuidance(
  { scale, interval = [0, 1], channels }: Guidance,
  all = Number.POSITIVE_INFINITY,
): void {
  if (!Number.isFinite(scale)) throw new RangeError(`guidance scale must be a finite number, got ${scale}`);
  const [low, high] = interval;
  if (!(interval.length === 2 && low >= 0 && low <= high && high <= 1)) {
    throw new RangeError(
      `guidance interval must be two ascending times within [0, 1] (of a DiT: shares of its steps), got [${interval.join(", ")}]`,
    );
  }
  checkChannels(channels, all);
}

/** Whether guidance acts in a step that begins at a time. */
export const guidesAt = (
  { scale, interval: [low, high] = [0, 1] }: Guidance = { scale: 1 },
  stepTime: number,
): boolean => scale !== 1 && stepTime >= low && stepTime <= high;

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

/** A tensor in JavaScript would become NaN, and a step in the place of its share would switch guidance off. */
function checkTimes(t: number, stepTime: number): void {
  if (typeof t !== "number" || !Number.isFinite(t))
    throw new TypeError(`a velocity's t must be one finite number for the whole batch, got ${shown(t)}`);
  if (typeof stepTime !== "number" || !(stepTime >= 0 && stepTime <= 1)) {
    throw new RangeError(
      `a velocity's stepTime must be a number from 0 to 1 (of a DiT: t / T), got ${shown(stepTime)}`,
    );
  }
}

const shown = (value: unknown): string => (value instanceof tf.Tensor ? "a tensor" : String(value));

const times = (count: number, t: number): Tensor => tf.fill([count], t);

/**
 * The velocity of `model` for class ids y [B]: v(null) + scale (v(y) - v(null)) where guidance acts, both halves in one
 * batch of 2B; v(y) elsewhere. `nullClass` is the id that stands for no class. It returns a promise if the model does.
 */
export function classVelocity<V extends Tensor | Promise<Tensor>>(
  model: VelocityModel<V>,
  y: Tensor,
  nullClass: number,
  guidance: Guidance = { scale: 1 },
): Velocity<V> {
  checkGuidance(guidance);
  const count = y.shape[0];
  const both = withNullClass(y, nullClass);
  return (x, t, stepTime) => {
    checkTimes(t, stepTime);
    checkChannels(guidance.channels, x.shape[1]!);
    if (!guidesAt(guidance, stepTime)) return model(x, times(count, t), y);
    const { scale, channels = x.shape[1]! } = guidance;
    const outputs = model(tf.concat([x, x]), times(2 * count, t), both);
    return outputs instanceof Promise
      ? (outputs.then((both: Tensor) => guide(both, scale, channels)) as V)
      : (guide(outputs as Tensor, scale, channels) as V);
  };
}
