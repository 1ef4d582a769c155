/** What a measure says of images that nobody would call samples, and of real ones: without these beside it a value says little. */
import type { ImageSet } from "../data/index.ts";
import { writePlanes } from "../data/tensors.ts";
import { type NdArray, ndarray } from "../io/index.ts";
import {
  type CaptionAgreement,
  cnnFeatures,
  frechetDistance,
  gaussianStatistics,
  inceptionScore,
} from "../metrics/index.ts";
import { randomStream } from "../tensor/random.ts";
import { type Evaluator, factsOf } from "./evaluator.ts";

export interface Control {
  name: string;
  /** Whether it takes no learning: what is no better has learned nothing that the measure sees. */
  isTrivial: boolean;
  frechet: number;
  inceptionScore: number;
  /** Of captioned pictures, beside captions that trivial images know nothing of. */
  facts?: CaptionAgreement;
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

/** Held-out images as samples are, [count,C,H,W]. */
function realImages(set: ImageSet, count: number): NdArray<"float32"> {
  const { images, channels, height, width } = set;
  const area = channels * height * width;
  const data = new Float32Array(count * area);
  for (let i = 0; i < count; i++)
    writePlanes(data, i * area, images.subarray(i * area, (i + 1) * area), channels);
  return ndarray(data, [count, channels, height, width]);
}

/** Held-out real images, the mean image, and pixels drawn one by one, measured as so many samples are. */
export async function controlMetrics(evaluator: Evaluator): Promise<Control[]> {
  const { network, reference, dataset, scale } = evaluator;
  const { generated } = scale;
  const statistics = gaussianStatistics(reference.features);
  const control = async (name: string, isTrivial: boolean, images: NdArray<"float32">): Promise<Control> => {
    const { features, probabilities } = await cnnFeatures(network, images);
    const facts = factsOf(evaluator, images);
    return {
      name,
      isTrivial,
      frechet: await frechetDistance(statistics, gaussianStatistics(features)),
      inceptionScore: inceptionScore(probabilities),
      ...(facts && { facts }),
    };
  };
  const drawn = (deviations: number): NdArray<"float32"> => pixelImages(dataset.train, generated, deviations);
  return [
    await control("held-out real images", false, realImages(dataset.test, generated)),
    await control("the mean image, every time", true, drawn(0)),
    await control("each pixel drawn by itself, with its mean and deviation", true, drawn(1)),
  ];
}
