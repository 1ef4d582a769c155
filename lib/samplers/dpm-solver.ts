/** DPM-Solver++(2M) (Lu et al. 2022): a multistep method of second order for one network call a step. */
import type { PathPoint } from "../diffusion/index.ts";
import { tf } from "../tensor/tf.ts";
import { advance, defineSampler, mix } from "./sampler.ts";

/** The logarithm of alpha/sigma: -Infinity where there is only noise, Infinity where there is only data. */
const logRatio = ({ alpha, sigma }: PathPoint): number => Math.log(alpha / sigma);

/**
 * x' = sigma'/sigma x + (alpha' - alpha sigma'/sigma) (data + h'/(2 h) (data - previous data)), where h' and h are by how
 * much log(alpha/sigma) grows in this step and grew in the one before. Where one of them is infinite, or there was no step
 * before, the method is of first order: at both ends of the path, where that costs no order on the whole.
 */
export const dpmSolver = defineSampler({
  numbers: ({ from, to, previous }) => {
    const now = logRatio(to) - logRatio(from);
    const before = previous ? logRatio(from) - logRatio(previous) : Number.POSITIVE_INFINITY;
    return {
      from,
      keep: to.sigma / from.sigma,
      gain: to.alpha - (from.alpha * to.sigma) / from.sigma,
      trend: Number.isFinite(now) && Number.isFinite(before) ? now / (2 * before) : 0,
    };
  },
  start: (x) => ({ x, previous: tf.zerosLike(x) }),
  *step({ x, previous }, { from, keep, gain, trend }) {
    const data = (yield { x, at: from }).data();
    const ahead = advance(data, tf.sub(data, previous), trend);
    return { x: mix(keep, x, gain, ahead), previous: data };
  },
});
