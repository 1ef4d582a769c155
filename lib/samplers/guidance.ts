/** Guidance: away from no condition, or from a weaker model, within an interval of times (of a DiT: step / T). */
import { checkKnown } from "../schema.ts";
import { type Tensor, tf } from "../tensor/tf.ts";

export interface Guidance {
  /** Any finite number: 1 is no guidance, 0 what is guided away from, between them a mixture, below 0 away from the condition. */
  scale: number;
  /** Times (inclusive) between which guidance acts, within [0, 1]; of a DiT shares of its steps. Default: all. */
  interval?: readonly [low: number, high: number];
  /**
   * The first channels, which are guided; the others are those of the condition, as a DiT's variance always is. Default:
   * all of x's; in `sampleGenerator` 3 of a DiT's, as its released code has it.
   */
  channels?: number;
}

export function checkChannels(channels: number | undefined, all: number): void {
  if (channels === undefined || (Number.isInteger(channels) && channels >= 1 && channels <= all)) return;
  const range = all === Number.POSITIVE_INFINITY ? "of at least 1" : `from 1 to the input's ${all}`;
  throw new RangeError(`guided channels must be an integer ${range}, got ${channels}`);
}

/** Throws on guidance that means nothing. `all` is how many channels there are, where that is known. */
export function checkGuidance(guidance: Guidance, all = Number.POSITIVE_INFINITY): void {
  checkKnown(guidance, ["scale", "interval", "channels"] satisfies (keyof Guidance)[], "guidance");
  const { scale, interval = [0, 1], channels } = guidance;
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

/** weak + scale (strong - weak) of outputs [B,C,H,W], in the first `channels`; the others are the strong one's. */
export const guide = (
  strong: Tensor,
  weak: Tensor,
  scale: number | Tensor,
  channels = strong.shape[1]!,
): Tensor =>
  tf.tidy(() => {
    const guided = (strong: Tensor, weak: Tensor): Tensor =>
      tf.add(weak, tf.mul(tf.sub(strong, weak), scale));
    const others = strong.shape[1]! - channels;
    if (others <= 0) return guided(strong, weak);
    const [[first, rest], [weakFirst]] = [strong, weak].map((half) => tf.split(half, [channels, others], 1));
    return tf.concat([guided(first, weakFirst), rest], 1);
  });
