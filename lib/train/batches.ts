/** Training batches: images in a fresh random order each epoch, and the numbers that a step draws. */
import { drawIntervals, dropLabels, type SRABatch } from "../align/sra.ts";
import { type ImageSet, imageTensor } from "../data/index.ts";
import { drawTimes } from "../diffusion/interpolants.ts";
import { drawSteps } from "../diffusion/objective.ts";
import { type RandomGenerator, randomGenerator } from "../tensor/random.ts";
import { tf } from "../tensor/tf.ts";
import type { TrainConfig } from "./config.ts";

/** The order of epoch `epoch`: a permutation that depends on the seed and the epoch alone. */
const epochOrder = (seed: number, epoch: number, count: number): Uint32Array =>
  randomGenerator(seed * 1_000_003 + epoch).permutation(count);

/**
 * Returns a function from a step number (from 0) to its batch. Which images come is a function of seed and step alone;
 * noise, times, intervals and dropped labels come from `random`, in an order that does not depend on the use of SRA,
 * so that runs with and without it see the same.
 */
export function batchSource(
  images: ImageSet,
  config: TrainConfig,
): (step: number, random: RandomGenerator) => SRABatch {
  const { batchSize, seed, model } = config;
  const { diffusion } = model;
  let order: { epoch: number; indices: Uint32Array } | undefined;
  const imageAt = (position: number): number => {
    const epoch = Math.floor(position / images.count);
    if (order?.epoch !== epoch) order = { epoch, indices: epochOrder(seed, epoch, images.count) };
    return order.indices[position % images.count];
  };
  return (step, random) => {
    const indices = Array.from({ length: batchSize }, (_, i) => imageAt(step * batchSize + i));
    const x = imageTensor(images, indices);
    const labels = indices.map((i) => images.labels[i]);
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
