/**
 * The attention loss of HASTE (Wang et al., arXiv 2505.16792): what tokens look at in some of the student's blocks is drawn to
 * what patches look at in as many blocks of a frozen encoder, which sees the clean image. The encoder's queries and keys come
 * with the data. HASTE is this beside REPA, both for the first part of a training.
 */
import { withGradient } from "../nn/fused.ts";
import { count, z } from "../schema.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { type Fault, type Method, type Setting, weight } from "./method.ts";

export const attentionConfig = z.strictObject({
  method: z.literal("attention"),
  weight,
  blocks: z
    .array(count("A block, counted from 1."), "a list of blocks")
    .min(1, "a list of at least one block")
    .describe(
      "The student's blocks, one for each of the encoder's in the array, in its order. From the second on.",
    ),
  array: z
    .string("a name")
    .min(1, "a name")
    .describe(
      "The array of the data that holds the encoder's queries and keys, [2 blocks, heads, tokens, size], as 'prepare features --attention' makes them.",
    ),
  heads: count("Heads in the array; as many of the student's, the first ones, are compared with them."),
  headSize: count("Numbers of a query or key in the array: 64 of all published DINOv2."),
});
export type AttentionConfig = z.infer<typeof attentionConfig>;

/** q k^T / sqrt(size), [B,heads,T,T]. */
const scoresOf = (q: Tensor, k: Tensor): Tensor =>
  tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(q.shape[3]!));

/** The mean over all rows of the cross-entropy of softmax(scores) from a target whose rows add up to 1. */
export function crossEntropy(target: Tensor, scores: Tensor): Tensor {
  return withGradient(
    ([scores], save) => {
      save([target, scores]);
      const rows = tf.sub(tf.logSumExp(scores, -1), tf.sum(tf.mul(target, scores), -1));
      return {
        value: tf.mean(rows),
        gradFunc: (dy, [target, scores]) => {
          const share = tf.div(dy, scores.size / scores.shape.at(-1)!);
          return tf.mul(tf.sub(tf.softmax(scores), target), share);
        },
      };
    },
    [scores],
  );
}

function faultsOf({ blocks, heads }: AttentionConfig, { network }: Setting): Fault[] {
  if (!network.queriesAndKeys || !network.heads)
    return [["method", `one that does not look at attention, which a ${network.name} does not show`]];
  const faults: Fault[] = blocks.flatMap((block, i): Fault[] =>
    block < 2 || block > network.depth
      ? [[`blocks.${i}`, `from 2 to the model's depth ${network.depth}`]]
      : [],
  );
  if (heads > network.heads) faults.push(["heads", `at most the model's ${network.heads}`]);
  return faults;
}

/** The method: the mean cross-entropy over blocks, heads and tokens. It has no parameters. */
export function attentionAlignment(config: AttentionConfig, setting: Setting): Method {
  const { blocks, array, heads, headSize } = config;
  const { network } = setting;
  const { tokens } = network;
  return {
    name: "attention",
    weight: config.weight,
    faults: faultsOf(config, setting),
    // What enters a block is what comes out of the one before.
    taps: blocks.map((block) => block - 1),
    arrays: { [array]: [2 * blocks.length, heads, tokens, headSize] },
    loss({ params, features, batch, condition }) {
      const given = tf.unstack(batch.arrays![array], 1);
      const losses = blocks.map((block, i) => {
        const [q, k] = network.queriesAndKeys!(params, block, features[i], batch.t, condition).map((part) =>
          tf.slice(part, [0, 0, 0, 0], [-1, heads, -1, -1]),
        );
        const target: Tensor = tf.softmax(scoresOf(given[2 * i], given[2 * i + 1]));
        return crossEntropy(target, scoresOf(q, k));
      });
      return tf.mean(tf.stack(losses));
    },
    describe: () => ({ blocks: blocks.join(", "), array, heads }),
  };
}
