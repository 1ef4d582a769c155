/**
 * Linear probing: how much of the class a block's features show. Average-pooled tokens, batch norm, one linear layer
 * (paper section 4; the representation that SRA is to improve).
 */
import { jit } from "../jit/index.ts";
import { ADAMW_DEFAULTS, type AdamWState, adamW, initAdamW } from "../optim/adamw.ts";
import { valueAndGrad } from "../tensor/gradient.ts";
import type { Params } from "../tensor/params.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { disposeTree } from "../tensor/tree.ts";
import type { BlockFeatures } from "./features.ts";

export interface ProbeOptions {
  classes: number;
  /** Full-batch Adam steps. */
  steps?: number;
  learningRate?: number;
}

const NORM_EPSILON = 1e-5;

/** Standardizes train and test features by the train set's mean and variance: batch norm as it acts after training. */
function standardize(train: Tensor, test: Tensor): [Tensor, Tensor] {
  const { mean, variance } = tf.moments(train, 1, true);
  const scale = tf.rsqrt(tf.add(variance, NORM_EPSILON));
  const apply = (x: Tensor): Tensor => tf.mul(tf.sub(x, mean), scale);
  return [apply(train), apply(test)];
}

/** Mean cross-entropy of logits [blocks, count, classes] against one-hot targets [count, classes], summed over blocks. */
function crossEntropy(logits: Tensor, targets: Tensor): Tensor {
  const logProbabilities = tf.sub(logits, tf.logSumExp(logits, 2, true));
  return tf.neg(tf.div(tf.sum(tf.mul(logProbabilities, targets)), targets.shape[0]));
}

const logitsOf = ({ weight, bias }: Params, features: Tensor): Tensor =>
  tf.add(tf.matMul(features, weight), bias);

/** Accuracy (0 to 1) of a linear probe on each block's features, trained on one set and measured on the other. */
export async function linearProbe(
  train: BlockFeatures,
  trainLabels: ArrayLike<number>,
  test: BlockFeatures,
  testLabels: ArrayLike<number>,
  { classes, steps = 150, learningRate = 0.03 }: ProbeOptions,
): Promise<number[]> {
  const { blocks, width } = train;
  if (test.blocks !== blocks || test.width !== width) {
    throw new Error(
      `probe: test features are [${test.blocks}, , ${test.width}], expected [${blocks}, , ${width}]`,
    );
  }
  for (const [name, set, labels] of [
    ["train", train, trainLabels],
    ["test", test, testLabels],
  ] as const) {
    if (labels.length !== set.count)
      throw new Error(`probe: ${labels.length} ${name} labels for ${set.count} features`);
  }
  const array = ({ data, count }: BlockFeatures): Tensor => tf.tensor(data, [blocks, count, width]);
  const prepare = jit(standardize, { name: "standardize" });
  const step = jit(
    (params: Params, optimizer: AdamWState, x: Tensor, targets: Tensor) => {
      const loss = (given: Params): Tensor => crossEntropy(logitsOf(given, x), targets);
      const { gradient } = valueAndGrad(loss)(params);
      return adamW(params, gradient, optimizer, tf.scalar(learningRate), ADAMW_DEFAULTS);
    },
    { name: "probeStep" },
  );
  const made: unknown[] = [];
  const own = <T>(tree: T): T => {
    made.push(tree);
    return tree;
  };
  let predicted: Int32Array;
  try {
    const [x, xTest] = own(await prepare(own(array(train)), own(array(test))));
    const targets = own(
      tf.tidy(() => tf.oneHot(tf.tensor1d(Int32Array.from(trainLabels), "int32"), classes, 1, 0, "float32")),
    );
    const params: Params = {
      weight: tf.zeros([blocks, width, classes]),
      bias: tf.zeros([blocks, 1, classes]),
    };
    let probe = { params, state: initAdamW(params) };
    for (let i = 0; i < steps; i++) {
      const next = await step(probe.params, probe.state, x, targets).finally(() => disposeTree(probe));
      probe = next;
    }
    own(probe);
    const chosen = own(tf.tidy(() => tf.argMax(logitsOf(probe.params, xTest), 2)));
    predicted = (await chosen.data()) as Int32Array;
  } finally {
    disposeTree(made);
    await Promise.all([prepare.dispose(), step.dispose()]);
  }
  return Array.from({ length: blocks }, (_, block) => {
    let right = 0;
    for (let i = 0; i < test.count; i++) if (predicted[block * test.count + i] === testLabels[i]) right++;
    return right / test.count;
  });
}
