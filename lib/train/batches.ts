/** Training batches: examples in the data's order, and the numbers that a step draws. */
import { drawIntervals, dropLabels, type SRABatch } from "../align/sra.ts";
import { asTrainingData, type Examples, type ImageSet, type TrainingData } from "../data/index.ts";
import { drawTimes } from "../diffusion/interpolants.ts";
import { drawSteps } from "../diffusion/objective.ts";
import type { RandomGenerator } from "../tensor/random.ts";
import { tf } from "../tensor/tf.ts";
import type { TrainConfig } from "./config.ts";

/**
 * Returns a function from a step number (from 0) to its batch. Which examples come is a function of seed and step alone;
 * latents, noise, times, intervals and dropped labels come from `random`, in an order that does not depend on the use
 * of SRA, so that runs with and without it see the same. The next step's examples are read while a step runs.
 */
export function batchSource(
  images: ImageSet | TrainingData,
  config: TrainConfig,
): (step: number, random: RandomGenerator) => Promise<SRABatch> {
  const data = asTrainingData(images);
  const { batchSize, seed, model, steps } = config;
  const { diffusion } = model;
  const shape: [number, number, number, number] = [batchSize, ...data.shape];
  let ahead: { step: number; examples: Promise<Examples> } | undefined;
  const read = (step: number): Promise<Examples> => data.read(seed, step * batchSize, batchSize);
  return async (step, random) => {
    const { values, labels } = await (ahead?.step === step ? ahead.examples : read(step));
    if (step + 1 < steps) {
      ahead = { step: step + 1, examples: read(step + 1) };
      // A run may end, or fail, before it is asked for.
      ahead.examples.catch(() => {});
    }
    const x = tf.tensor4d(
      data.scale === undefined ? values : drawLatents(values, random, batchSize, data.scale),
      shape,
    );
    const t = diffusion
      ? drawSteps(random, batchSize, diffusion)
      : drawTimes(random, batchSize, config.timeDistribution, config.interpolant);
    const noise = random.normals(x.size);
    const y = dropLabels(random, labels, config.classDropout, model.numClasses);
    const k = drawIntervals(random, batchSize, config.sra?.interval ?? [0, 1], diffusion !== undefined);
    return {
      x,
      noise: tf.tensor(noise, x.shape),
      t: tf.tensor1d(t),
      k: tf.tensor1d(k),
      y: tf.tensor1d(y, "int32"),
    };
  };
}

/** Latents `(mean + std noise) scale` of examples that hold first means, then standard deviations. */
function drawLatents(
  moments: Float32Array,
  random: RandomGenerator,
  count: number,
  scale: number,
): Float32Array {
  const size = moments.length / count / 2;
  const noise = random.normals(count * size);
  return noise.map((draw, i) => {
    const mean = i + Math.floor(i / size) * size;
    return (moments[mean] + moments[mean + size] * draw) * scale;
  });
}
