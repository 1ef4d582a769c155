/** AdamW (decoupled weight decay) as a pure function, in PyTorch's order of operations. */
import { atLeast0, z } from "../schema.ts";
import { mapParams, type Params } from "../tensor/params.ts";
import { type Tensor, tf } from "../tensor/tf.ts";

const decay = z.number("from 0 to below 1").min(0, "from 0 to below 1").lt(1, "from 0 to below 1");

export const adamWConfig = z.strictObject({
  betas: z
    .tuple([decay, decay], "two numbers")
    .readonly()
    .describe("Decays of the averages of gradients and of their squares."),
  epsilon: atLeast0("Added to the root of the second moment."),
  weightDecay: atLeast0("Decoupled weight decay."),
});
export type AdamWConfig = z.infer<typeof adamWConfig>;

export const ADAMW_DEFAULTS: AdamWConfig = { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 };

/** First and second moments by parameter name, and the number of steps taken, a float32 scalar. */
export interface AdamWState {
  first: Params;
  second: Params;
  step: Tensor;
}

export const initAdamW = (params: Params): AdamWState => ({
  first: mapParams(params, (p) => tf.zeros(p.shape)),
  second: mapParams(params, (p) => tf.zeros(p.shape)),
  step: tf.scalar(0),
});

/**
 * One step. `learningRate` is a scalar tensor; parameters without a gradient stay as they are. `gradientScale`, a scalar
 * tensor, multiplies all gradients: the factor of clipping, without a pass over the gradients of its own.
 */
export function adamW(
  params: Params,
  gradients: Params,
  state: AdamWState,
  learningRate: Tensor,
  { betas: [beta1, beta2], epsilon, weightDecay }: AdamWConfig,
  gradientScale: Tensor | number = 1,
): { params: Params; state: AdamWState } {
  const step = tf.add(state.step, 1);
  // 1 - beta^step; in float32 the subtraction would lose the digits that early steps need.
  const bias = (beta: number): Tensor => tf.neg(tf.expm1(tf.mul(step, Math.log(beta))));
  const bias1 = bias(beta1);
  const bias2 = tf.sqrt(bias(beta2));
  // m / bias1 / (sqrt(v) / bias2 + eps), with the scalar factors gathered.
  const rate = tf.div(tf.mul(learningRate, bias2), bias1);
  const floor = tf.mul(bias2, epsilon);
  const kept = tf.sub(1, tf.mul(learningRate, weightDecay));
  const share1 = tf.mul(gradientScale, 1 - beta1);
  const share2 = tf.mul(tf.square(gradientScale), 1 - beta2);
  const first: Params = {};
  const second: Params = {};
  const updated = mapParams(params, (p, name) => {
    const g = gradients[name];
    if (!g) {
      // Keeps the state's structure where a parameter is trainable but unused.
      if (state.first[name]) [first[name], second[name]] = [state.first[name], state.second[name]];
      return p;
    }
    first[name] = tf.add(tf.mul(state.first[name], beta1), tf.mul(g, share1));
    second[name] = tf.add(tf.mul(state.second[name], beta2), tf.mul(tf.square(g), share2));
    const decayed = weightDecay === 0 ? p : tf.mul(p, kept);
    return tf.sub(decayed, tf.div(tf.mul(first[name], rate), tf.add(tf.sqrt(second[name]), floor)));
  });
  return { params: updated, state: { first, second, step } };
}
