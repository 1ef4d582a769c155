/** Euler's method for the probability-flow ODE dx/dt = v(x, t), from noise to data: one velocity a step. */
import { advance, defineSampler } from "./sampler.ts";

/** x' = x + (t' - t) v(x, t). */
export const euler = defineSampler({
  numbers: ({ from, to }) => ({ from, dt: to.time - from.time }),
  *step({ x }, { from, dt }) {
    const velocity = (yield { x, at: from }).velocity();
    return { x: advance(x, velocity, dt) };
  },
});
