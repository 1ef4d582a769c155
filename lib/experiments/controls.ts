/** What a measure says of images that nobody would call samples, and of real ones: without these beside it a value says little. */
import type { ImageSet } from "../data/index.ts";
import { type NdArray, ndarray } from "../io/index.ts";
import {
  cnnFeatures,
  type Evaluated,
  frechetDistance,
  gaussianStatistics,
  inceptionScore,
} from "../metrics/index.ts";
import { cnnFeaturesOfSet } from "../metrics/small-cnn.ts";
import { randomStream } from "../tensor/random.ts";
import type { Evaluator } from "./evaluator.ts";

export interface Control {
  name: string;
  /** Whether it takes no learning: what is no better has learned nothing that the measure sees. */
  isTrivial: boolean;
  frechet: number;
  inceptionScore: number;
}

/** Mean and standard deviation of each pixel over a set, in [-1, 1] and in NCHW order. */
function pixelMoments({ images, count, height, width, channels }: ImageSet) {
  const area = height * width * channels;
  const [sums, squares] = [new Float64Array(area), new Float64Array(area)];
  for (let i = 0; i < count; i++)
    for (let j = 0; j < area; j++) {
      const value = images[i * area + j] / 127.5 - 1;
      sums[j] += value;
      squares[j] += value * value;
    }
  const place = (j: number): number => (j % channels) * height * width + Math.floor(j / channels);
  const [mean, deviation] = [new Float32Array(area), new Float32Array(area)];
  for (let j = 0; j < area; j++) {
    mean[place(j)] = sums[j] / count;
    deviation[place(j)] = Math.sqrt(Math.max(0, squares[j] / count - (sums[j] / count) ** 2));
  }
  return { mean, deviation };
}

/** Images whose pixels are their mean, and so many deviations away from it, each drawn by itself. */
function pixelImages(set: ImageSet, count: number, deviations: number): NdArray<"float32"> {
  const { mean, deviation } = pixelMoments(set);
  const random = randomStream(0, "controls");
  const noise = random.normals(count * mean.length);
  const data = noise.map((draw, i) => {
    const j = i % mean.length;
    return Math.min(1, Math.max(-1, mean[j] + deviations * draw * deviation[j]));
  });
  return ndarray(data, [count, set.channels, set.height, set.width]);
}

/** Held-out real images, the mean image, and pixels drawn one by one, measured as so many samples are. */
export async function controlMetrics({ network, reference, dataset, scale }: Evaluator): Promise<Control[]> {
  const { generated } = scale;
  const statistics = gaussianStatistics(reference.features);
  const control = async (name: string, isTrivial: boolean, evaluated: Evaluated): Promise<Control> => ({
    name,
    isTrivial,
    frechet: await frechetDistance(statistics, gaussianStatistics(evaluated.features)),
    inceptionScore: inceptionScore(evaluated.probabilities),
  });
  const real = Array.from({ length: generated }, (_, i) => i);
  const drawn = (deviations: number) =>
    cnnFeatures(network, pixelImages(dataset.train, generated, deviations));
  return [
    await control("held-out real images", false, await cnnFeaturesOfSet(network, dataset.test, real)),
    await control("the mean image, every time", true, await drawn(0)),
    await control("each pixel drawn by itself, with its mean and deviation", true, await drawn(1)),
  ];
}
