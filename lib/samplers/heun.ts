/** Heun's second-order method for the probability-flow ODE dx/dt = v(x, t): two velocities a step, but one in the last. */
import { tf } from "../tensor/tf.ts";
import { advance, defineSampler } from "./sampler.ts";

/** x' = x + (t' - t) (v(x, t) + v(x + (t' - t) v(x, t), t')) / 2. Where no noise is left there is no second velocity. */
export const heun = defineSampler({
  numbers: ({ from, to }) => ({ from, dt: to.time - from.time, ...(to.sigma > 0 && { to }) }),
  *step({ x }, { from, to, dt }) {
    const first = (yield { x, at: from }).velocity();
    const predicted = advance(x, first, dt);
    if (!to) return { x: predicted };
    const second = (yield { x: predicted, at: to }).velocity();
    return { x: advance(x, tf.mul(tf.add(first, second), 0.5), dt) };
  },
});
