/** Euler-Maruyama for the reverse SDE dx = (v - w s / 2) dt + sqrt(w) dW with diffusion w(t) = 2 t and score s. */
import { advance, defineSampler, noisy } from "./sampler.ts";

/** Where the released code hands over to one last step without noise. */
const LAST_TIME = 0.04;

/** x' = x + (t' - t) (v - t s) + sqrt(2 t (t - t')) z. The step that ends in data adds no noise. */
export const eulerMaruyama = defineSampler({
  processes: ["interpolant"],
  grid: { last: LAST_TIME },
  numbers: ({ from, to }) => {
    const dt = to.t - from.t;
    return { from, dt, pull: -from.t, noise: to.sigma === 0 ? 0 : Math.sqrt(2 * from.t * -dt) };
  },
  *step({ x }, { from, dt, pull, noise }, z) {
    const estimated = yield { x, at: from };
    const drift = advance(estimated.velocity(), estimated.score(), pull);
    return { x: noisy(advance(x, drift, dt), noise, z) };
  },
});
