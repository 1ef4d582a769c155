/** What a training step takes, made up: how long a step takes, and what it needs, does not depend on the numbers. */
import { drawIntervals, dropLabels, type SRABatch } from "../align/sra.ts";
import { drawTimes } from "../diffusion/interpolants.ts";
import { drawSteps } from "../diffusion/objective.ts";
import { normalTensor, randomGenerator } from "../tensor/random.ts";
import { tf } from "../tensor/tf.ts";
import type { TrainConfig } from "./config.ts";
import type { StepScalars } from "./step.ts";

/** A batch of noise, with the times and intervals that training on it draws: for a DiT whole steps. */
export function syntheticBatch(
  { model, sra, timeDistribution, interpolant, classDropout }: TrainConfig,
  size: number,
): SRABatch {
  const random = randomGenerator(0);
  const { diffusion } = model;
  const shape = [size, model.inChannels, model.inputSize, model.inputSize];
  return {
    x: normalTensor(random, shape),
    noise: normalTensor(random, shape),
    t: tf.tensor1d(
      diffusion ? drawSteps(random, size, diffusion) : drawTimes(random, size, timeDistribution, interpolant),
    ),
    k: tf.tensor1d(drawIntervals(random, size, sra?.interval ?? [0, 1], diffusion !== undefined)),
    y: tf.tensor1d(dropLabels(random, new Int32Array(size), classDropout, model.numClasses), "int32"),
  };
}

/** A step's scalars. */
export const syntheticScalars = (): StepScalars => ({
  learningRate: tf.scalar(1e-4),
  alignWeight: tf.scalar(0.2),
  emaDecay: tf.scalar(0.9999),
});
