/** DDIM (Song et al. 2021): the predicted data, noised again with the predicted noise and a share of fresh noise. */
import { defineSampler, mix, noisy } from "./sampler.ts";

export interface DDIMSettings {
  /** The share of fresh noise, from 0 (default) to 1. */
  eta?: number;
}

/**
 * x' = alpha' data + sqrt(sigma'^2 - s^2) noise + s z, with s = eta sigma'/sigma sqrt(sigma^2 - (alpha sigma'/alpha')^2).
 * eta 0 (default) is the ODE, on SiT's linear path Euler's method; eta 1 is as noisy as DDPM.
 */
export const ddim = defineSampler({
  settings: ["eta"],
  check({ eta = 0 }) {
    if (!(eta >= 0 && eta <= 1)) throw new RangeError(`eta must be from 0 to 1, got ${eta}`);
  },
  numbers: ({ from, to }, { eta = 0 }: DDIMSettings) => {
    const fresh = from.sigma ** 2 - ((from.alpha * to.sigma) / to.alpha) ** 2;
    const noise = eta * (to.sigma / from.sigma) * Math.sqrt(Math.max(0, fresh));
    return { from, alpha: to.alpha, kept: Math.sqrt(Math.max(0, to.sigma ** 2 - noise ** 2)), noise };
  },
  *step({ x }, { from, alpha, kept, noise }, z) {
    const estimated = yield { x, at: from };
    return { x: noisy(mix(alpha, estimated.data(), kept, estimated.noise()), noise, z) };
  },
});
