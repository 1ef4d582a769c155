/**
 * Self-Flow (Black Forest Labs, arXiv 2603.06507): a share of the tokens, chosen at random, is noised at a second time; an
 * early block of the student that sees such a mixture is drawn to a late block of its EMA teacher, which sees all tokens at
 * the earlier of the two times. The paper's loss: only inference code has been released.
 */

import { siluMlp } from "../nn/layers.ts";
import { count, share, z } from "../schema.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { meanCosine } from "./distances.ts";
import { blockFault, type Method, type Setting, timesFault, weight } from "./method.ts";
import { headParameters } from "./sra.ts";

export const selfFlowConfig = z.strictObject({
  method: z.literal("self-flow"),
  weight,
  studentBlock: count("The student's block, counted from 1. The paper: 0.3 of the depth."),
  teacherBlock: count("The teacher's block, counted from 1. The paper: 0.7 of the depth."),
  maskRatio: share(
    "R_M, the probability that a token is noised at the second time. The paper's for images: 0.25.",
  ),
});
export type SelfFlowConfig = z.infer<typeof selfFlowConfig>;

const HEAD = "projector";

/**
 * The method (the paper's eq. 4 to 7): -1 times the mean cosine over features of each token, from -1 to 1. Its batches draw
 * `times` [B,2], which are not sorted, and `second` [B,T], 1 where a token has the second time. The teacher is told what the
 * student is told; the paper does not say.
 */
export function selfFlow(config: SelfFlowConfig, { network, process }: Setting): Method {
  const { studentBlock, teacherBlock, maskRatio } = config;
  const { tokens } = network;
  return {
    name: "self-flow",
    weight: config.weight,
    faults: [
      ...blockFault("studentBlock", studentBlock, network),
      ...blockFault("teacherBlock", teacherBlock, network),
      ...timesFault({ network, process }),
    ],
    taps: [studentBlock],
    parameters: headParameters(network.width, HEAD),
    draws: {
      times: (random) => process.drawTimes(random, 2),
      second: (random) => random.uniforms(tokens).map((u) => (u < maskRatio ? 1 : 0)),
    },
    sight(_batch, { times, second }) {
      const [t, s]: Tensor[] = tf.split(times, 2, 1);
      return { t: tf.where(tf.greater(second, 0.5), tf.tile(s, [1, tokens]), tf.tile(t, [1, tokens])) };
    },
    targets({ teacher, batch, condition, draws }) {
      const t: Tensor = tf.min(draws.times, 1);
      const input = process.noised({ ...batch, t });
      return network.features(teacher, input, t, condition, { taps: [teacherBlock] });
    },
    loss: ({ params, features: [features], targets: [target] }) =>
      tf.neg(meanCosine(siluMlp(params, HEAD, features), target)),
    describe: () => ({
      "student block l": studentBlock,
      "teacher block k": teacherBlock,
      "mask ratio": maskRatio,
    }),
  };
}
