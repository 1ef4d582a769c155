/** DDPM's ancestral sampler (Ho et al. 2020): each step draws from the posterior of x' given x and the predicted data. */
import { tf } from "../tensor/tf.ts";
import { defineSampler, mix, noisy } from "./sampler.ts";

/**
 * x' = a data + b x + exp(l / 2) z, with the posterior's mean and a log variance l between that of the posterior and
 * log beta, as far as the network says; the largest where it says nothing.
 */
export const ddpm = defineSampler({
  processes: ["gaussian"],
  numbers: ({ from, to }) => {
    const kept = (from.alpha / to.alpha) ** 2;
    const beta = 1 - kept;
    const posterior = (beta * to.sigma ** 2) / from.sigma ** 2;
    return {
      from,
      a: (beta * to.alpha) / from.sigma ** 2,
      b: (to.sigma ** 2 * Math.sqrt(kept)) / from.sigma ** 2,
      // Of the last step, which draws nothing, the posterior has no variance.
      least: Math.log(to.sigma === 0 ? beta : posterior),
      largest: Math.log(beta),
      noise: to.sigma === 0 ? 0 : 1,
    };
  },
  *step({ x }, { from, a, b, least, largest, noise }, z) {
    const estimated = yield { x, at: from };
    const mean = mix(a, estimated.data(), b, x);
    if (!z) return { x: mean };
    // A variance of -1 stands for the least, 1 for the largest.
    const share = estimated.variance ? tf.mul(tf.add(estimated.variance, 1), 0.5) : 1;
    const logVariance = tf.add(tf.mul(share, largest), tf.mul(tf.sub(1, share), least));
    return { x: noisy(mean, noise, tf.mul(tf.exp(tf.mul(logVariance, 0.5)), z)) };
  },
});
