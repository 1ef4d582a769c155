/** Training batches: examples in the data's order, and the numbers that a step draws. */
import { drawIntervals, dropLabels, type SRABatch } from "../align/sra.ts";
import { asTrainingData, type Examples, type ImageSet, type TrainingData } from "../data/index.ts";
import { drawTimes } from "../diffusion/interpolants.ts";
import { drawSteps } from "../diffusion/objective.ts";
import { type RandomGenerator, randomStream, streams01 } from "../tensor/random.ts";
import { tf } from "../tensor/tf.ts";
import type { TrainConfig } from "./config.ts";

/** Draws for `count` examples of a batch, the first of which is number `from` in it: as many numbers for each. */
type Draw = (random: RandomGenerator, count: number, from: number) => ArrayLike<number>;

/** What a batch draws for a purpose: each example from a stream of its own, numbered by its place in the whole run. */
function drawExamples(seed: number, purpose: string, first: number, count: number, draw: Draw): Float32Array {
  let values = new Float32Array(0);
  for (let i = 0; i < count; i++) {
    const drawn = draw(randomStream(seed, purpose, first + i), 1, i);
    if (i === 0) values = new Float32Array(count * drawn.length);
    values.set(drawn, i * drawn.length);
  }
  return values;
}

/**
 * Returns a function from a step number (from 0) to its batch, which is a function of seed, step and data alone: latents,
 * noise, times, intervals and dropped labels come from a stream for each example and purpose, so that runs with and
 * without SRA see the same. The next step's examples are read while a step runs.
 * @param generator01 of a run that ditlab 0.1 began, whose steps drew one after the other from one generator
 */
export function batchSource(
  images: ImageSet | TrainingData,
  config: TrainConfig,
  generator01?: RandomGenerator,
): (step: number) => Promise<SRABatch> {
  const data = asTrainingData(images);
  const { batchSize, seed, model, steps } = config;
  const { diffusion } = model;
  const shape: [number, number, number, number] = [batchSize, ...data.shape];
  let ahead: { step: number; examples: Promise<Examples> } | undefined;
  const read = (step: number): Promise<Examples> =>
    data.read(seed, step * batchSize, batchSize, generator01 && streams01);
  return async (step) => {
    const { values, labels } = await (ahead?.step === step ? ahead.examples : read(step));
    if (step + 1 < steps) {
      ahead = { step: step + 1, examples: read(step + 1) };
      // A run may end, or fail, before it is asked for.
      ahead.examples.catch(() => {});
    }
    const draw = (purpose: string, of: Draw): Float32Array =>
      generator01
        ? Float32Array.from(of(generator01, batchSize, 0))
        : drawExamples(seed, purpose, step * batchSize, batchSize, of);
    const size = values.length / batchSize;
    const { scale } = data;
    const x =
      scale === undefined
        ? values
        : draw("latent", (random, count, from) =>
            drawLatents(values.subarray(from * size, (from + count) * size), random, count, scale),
          );
    const t = draw("time", (random, count) =>
      diffusion
        ? drawSteps(random, count, diffusion)
        : drawTimes(random, count, config.timeDistribution, config.interpolant),
    );
    const noise = draw("noise", (random, count) => random.normals((x.length / batchSize) * count));
    const y = draw("class dropout", (random, count, from) =>
      dropLabels(random, labels.slice(from, from + count), config.classDropout, model.numClasses),
    );
    const k = draw("interval", (random, count) =>
      drawIntervals(random, count, config.sra?.interval ?? [0, 1], diffusion !== undefined),
    );
    return {
      x: tf.tensor4d(x, shape),
      noise: tf.tensor4d(noise, shape),
      t: tf.tensor1d(t),
      k: tf.tensor1d(k),
      y: tf.tensor1d(Int32Array.from(y), "int32"),
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
