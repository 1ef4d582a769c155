/** EDM's stochastic sampler (Karras et al. 2022, algorithm 2), on whatever path: some noise is added, then Heun's step taken. */
import { checkKnown } from "../schema.ts";
import { tf } from "../tensor/tf.ts";
import { advance, defineSampler, noisy } from "./sampler.ts";

/** Noise that is added before steps. */
export interface Churn {
  /** S_churn, how much over all steps, at least 0: each raises sigma/alpha by a share of amount/steps, at most sqrt(2) - 1. */
  amount: number;
  /** S_noise, by which the added noise is multiplied. Default 1. */
  noise?: number;
  /** The noise ratios sigma/alpha (inclusive) between which noise is added. Default: all. */
  interval?: readonly [low: number, high: number];
}

export interface EDMSettings {
  /** Default: none. */
  churn?: Churn;
}

function checkChurn(churn: Churn): void {
  checkKnown(churn, ["amount", "noise", "interval"] satisfies (keyof Churn)[], "churn");
  const { amount, noise = 1, interval = [0, Number.POSITIVE_INFINITY] } = churn;
  if (!(amount >= 0 && Number.isFinite(amount)))
    throw new RangeError(`churn must be a finite amount of at least 0, got ${amount}`);
  if (!(noise > 0 && Number.isFinite(noise)))
    throw new RangeError(`churn's noise must be a finite number above 0, got ${noise}`);
  const [low, high] = interval;
  if (!(interval.length === 2 && low >= 0 && low <= high))
    throw new RangeError(
      `churn's interval must be two ascending noise ratios of at least 0, got [${interval.join(", ")}]`,
    );
}

/**
 * From the ratio r = sigma/alpha to r^ = (1 + gamma) r: x^ = alpha^/alpha x + alpha^ sqrt(r^^2 - r^2) z, then Heun's step
 * from there. Where there is only noise none can be added; without churn it is Heun's method.
 */
export const edm = defineSampler({
  settings: ["churn"],
  check: ({ churn }) => churn && checkChurn(churn),
  numbers: ({ from, to, path, steps }, { churn = { amount: 0 } }: EDMSettings) => {
    const { amount, noise = 1, interval: [low, high] = [0, Number.POSITIVE_INFINITY] } = churn;
    const ratio = from.sigma / from.alpha;
    const gamma = ratio >= low && ratio <= high ? Math.min(amount / steps, Math.SQRT2 - 1) : 0;
    const hat = gamma > 0 && from.alpha > 0 ? path.ofRatio((1 + gamma) * ratio) : from;
    const added = Math.max(0, (hat.sigma / hat.alpha) ** 2 - ratio ** 2);
    return {
      from: hat,
      scale: hat === from ? 1 : hat.alpha / from.alpha,
      noise: hat === from ? 0 : noise * hat.alpha * Math.sqrt(added),
      dt: to.time - hat.time,
      ...(to.sigma > 0 && { to }),
    };
  },
  *step(state, { from, to, dt, scale, noise }, z) {
    const x = z ? noisy(tf.mul(state.x, scale), noise, z) : state.x;
    const first = (yield { x, at: from }).velocity();
    const predicted = advance(x, first, dt);
    if (!to) return { x: predicted };
    const second = (yield { x: predicted, at: to }).velocity();
    return { x: advance(x, tf.mul(tf.add(first, second), 0.5), dt) };
  },
});
