/** Samples from a SiT or DiT in batches, image by image reproducible. */
import type { InterpolantName } from "../diffusion/interpolants.ts";
import { type NdArray, ndarray } from "../io/index.ts";
import { type TransformerConfig, transformer } from "../models/transformer.ts";
import type { Params } from "../tensor/params.ts";
import { randomStream, stackNormals } from "../tensor/random.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { compiledSampler, plan, type SamplerName } from "./compiled.ts";
import type { Guidance } from "./guidance.ts";

export interface GenerateOptions {
  /** The class of each image. */
  labels: ArrayLike<number>;
  sampler: SamplerName;
  steps: number;
  /**
   * Image i draws its noise from the stream of `seed` and i: it does not depend on the batch. A list has a seed for each
   * image, which is then the first of that seed.
   */
  seed: number | readonly number[];
  /** Number of the first image, so that a run can be cut into parts. Default 0. */
  first?: number;
  batchSize?: number;
  guidance?: Guidance;
  /** Of a SiT; default linear. */
  interpolant?: InterpolantName;
  /** Called as images are done. */
  onProgress?: (done: number, total: number) => void;
  /** Called after each step of each batch. Only with it a step's images come back from the compiled loop. */
  onStep?: (progress: StepProgress) => void | Promise<void>;
}

export interface StepProgress {
  /** Steps done, and all of them. */
  step: number;
  steps: number;
  /** The batch as it is now, [count,C,H,W], and the number of its first image. */
  images: NdArray<"float32">;
  first: number;
}

export interface SampleGenerator {
  /** Images [count,C,H,W], about -1 to 1. */
  generate(params: Params, options: GenerateOptions): Promise<NdArray<"float32">>;
  dispose(): Promise<void>;
}

/** The released DiT guides three of a latent's four channels; a variance is guided by none. */
const RELEASED_DIT_CHANNELS = 3;

const guidedChannels = (
  { diffusion, inChannels }: TransformerConfig,
  guidance: Guidance | undefined,
): number | undefined =>
  diffusion ? Math.min(guidance?.channels ?? RELEASED_DIT_CHANNELS, inChannels) : guidance?.channels;

/** @throws RangeError naming the first image whose class id is out of range. */
export function checkLabels(labels: ArrayLike<number>, numClasses: number): void {
  for (let i = 0; i < labels.length; i++) {
    if (!Number.isInteger(labels[i]) || labels[i] < 0 || labels[i] > numClasses) {
      throw new RangeError(
        `class id ${labels[i]} of image ${i} is out of range; expected 0 to ${numClasses - 1}, or ${numClasses} for no class`,
      );
    }
  }
}

/** A compiled generator for one architecture; any of its parameters can be sampled from. */
export function sampleGenerator(config: TransformerConfig): SampleGenerator {
  const sampler = compiledSampler(
    (params) => (x, t, y) => transformer(params, config, x, t, y).output,
    config.numClasses,
    config.diffusion,
  );
  const shape = [config.inChannels, config.inputSize, config.inputSize];
  const size = tf.util.sizeFromShape(shape);
  return {
    dispose: () => sampler.dispose(),
    async generate(params, options) {
      const { labels, seed, first = 0, batchSize = 64, guidance, onProgress, onStep } = options;
      const { interpolant = "linear" } = options;
      const segments = plan(options.sampler, options.steps, guidance, config.diffusion).flatMap((segment) =>
        onStep ? segment.rows.map((row) => ({ ...segment, rows: [row] })) : segment,
      );
      checkLabels(labels, config.numClasses);
      const count = labels.length;
      if (typeof seed !== "number" && seed.length !== count)
        throw new RangeError(`expected a seed, or one for each of ${count} images, got ${seed.length}`);
      const width = Math.min(batchSize, count);
      const images = new Float32Array(count * size);
      for (let start = 0; start < count; start += width) {
        // The last batch is filled up, because another batch size would be another program to compile.
        const indices = Array.from({ length: width }, (_, i) => start + i);
        const generators = indices.map((i) =>
          typeof seed === "number"
            ? randomStream(seed, "sample", first + i)
            : randomStream(seed[Math.min(i, count - 1)], "sample", 0),
        );
        const y = tf.tensor1d(
          Int32Array.from(indices, (i) => labels[Math.min(i, count - 1)]),
          "int32",
        );
        const noise = (): Tensor => stackNormals(generators, shape);
        let batch = noise();
        const done = Math.min(start + width, count);
        const current = (): Float32Array<ArrayBuffer> =>
          (batch.dataSync() as Float32Array<ArrayBuffer>).subarray(0, (done - start) * size);
        const run = {
          scale: guidance?.scale ?? 1,
          channels: guidedChannels(config, guidance),
          interpolant,
          noise,
        };
        for (const [i, segment] of segments.entries()) {
          batch = await sampler.run(params, batch, y, segment, run);
          await onStep?.({
            step: i + 1,
            steps: segments.length,
            images: ndarray(current().slice(), [done - start, ...shape]),
            first: first + start,
          });
        }
        images.set(current(), start * size);
        onProgress?.(done, count);
      }
      return ndarray(images, [count, ...shape]);
    },
  };
}
