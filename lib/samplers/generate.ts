/** Samples from a SiT or DiT in batches, image by image reproducible. */
import type { ProcessConfig } from "../diffusion/process.ts";
import { type NdArray, ndarray } from "../io/index.ts";
import type { Network } from "../models/network.ts";
import type { Params } from "../tensor/params.ts";
import { randomStream } from "../tensor/random.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { compiledSampler, plan, type SamplerName, type Segment } from "./compiled.ts";
import { checkGuidance, type Guidance } from "./guidance.ts";

export interface GenerateOptions {
  /** The class of each image. */
  labels: ArrayLike<number>;
  sampler: SamplerName;
  steps: number;
  /**
   * Image i draws its noise from the stream of `seed` and i: it does not depend on the batch. A list has a seed for each
   * image, which is then the first of that seed. Default 0.
   */
  seed?: number | readonly number[];
  /** Number of the first image, so that a run can be cut into parts. Default 0. */
  first?: number;
  /** The noise to begin with [count,C,H,W], in place of the seed's. */
  latents?: Tensor | NdArray<"float32">;
  /** The noise of each step but the last [steps-1,count,C,H,W], for samplers that draw it, in place of the seed's. */
  noise?: Tensor | NdArray<"float32">;
  /** DDIM's noise, from 0 (default), none, to 1, as much as DDPM's. */
  eta?: number;
  batchSize?: number;
  guidance?: Guidance;
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
  /** Images [count,C,H,W], about -1 to 1. Throws on options that `checkGenerate` refuses, before anything is computed. */
  generate(params: Params, options: GenerateOptions): Promise<NdArray<"float32">>;
  dispose(): Promise<void>;
}

/** The released DiT guides three of a latent's four channels; a variance is guided by none. */
const RELEASED_DIT_CHANNELS = 3;

const guidedChannels = (
  { input: [channels] }: Network,
  process: ProcessConfig,
  guidance?: Guidance,
): number =>
  guidance?.channels ?? (process.type === "gaussian" ? Math.min(RELEASED_DIT_CHANNELS, channels) : channels);

/** @throws RangeError naming the first image whose class id is out of range. */
function checkLabels(labels: ArrayLike<number>, numClasses: number): void {
  for (let i = 0; i < labels.length; i++) {
    if (!Number.isInteger(labels[i]) || labels[i] < 0 || labels[i] > numClasses) {
      throw new RangeError(
        `class id ${labels[i]} of image ${i} is out of range; expected 0 to ${numClasses - 1}, or ${numClasses} for no class`,
      );
    }
  }
}

function checkShape(name: string, given: GenerateOptions["latents"], expected: number[]): void {
  if (given && `${given.shape}` !== `${expected}`)
    throw new RangeError(`${name} must be [${expected}], got [${given.shape}]`);
}

/** What `generate` refuses, known before a parameter is read or a file written. Returns the sampler's steps in runs. */
export function checkGenerate(network: Network, process: ProcessConfig, options: GenerateOptions): Segment[] {
  const { labels, guidance, steps, latents, noise, seed = 0, batchSize = 64 } = options;
  if (guidance) checkGuidance(guidance, network.input[0]);
  const segments = plan({ ...options, diffusion: process.type === "gaussian" ? process : undefined });
  checkLabels(labels, network.classes);
  if (typeof seed !== "number" && seed.length !== labels.length)
    throw new RangeError(`expected a seed, or one for each of ${labels.length} images, got ${seed.length}`);
  if (!Number.isInteger(batchSize) || batchSize < 1)
    throw new RangeError(`batchSize must be an integer of at least 1, got ${batchSize}`);
  const all = [labels.length, ...network.input];
  checkShape("latents", latents, all);
  checkShape("noise", noise, [steps - 1, ...all]);
  if (noise && !segments.some(({ noisy }) => noisy))
    throw new Error(`noise was given, but '${options.sampler}' of ${steps} steps draws none`);
  return segments;
}

const numbersOf = async (given: Tensor | NdArray<"float32">): Promise<Float32Array> =>
  "data" in given && typeof given.data !== "function"
    ? given.data
    : ((await (given as Tensor).data()) as Float32Array);

/** Where the noise of a batch's images comes from: given, or drawn from each image's own stream. */
async function noiseSource(
  { seed = 0, first = 0, latents, noise, labels }: GenerateOptions,
  size: number,
): Promise<(images: number[]) => () => Float32Array> {
  const count = labels.length;
  const [start, perStep] = await Promise.all([latents, noise].map((given) => given && numbersOf(given)));
  return (images) => {
    const streams = images.map((i) =>
      typeof seed === "number"
        ? randomStream(seed, "sample", first + i)
        : randomStream(seed[Math.min(i, count - 1)], "sample", 0),
    );
    let drawn = 0;
    return () => {
      // Streams go on where they would have, whatever is given: the seed's own latents give the seed's images.
      const rows = streams.map((stream) => stream.normals(size));
      const given = drawn === 0 ? start : perStep;
      const before = drawn === 0 ? 0 : (drawn - 1) * count;
      drawn++;
      const values = new Float32Array(images.length * size);
      images.forEach((image, i) => {
        const at = (before + Math.min(image, count - 1)) * size;
        values.set(given ? given.subarray(at, at + size) : rows[i], i * size);
      });
      return values;
    };
  };
}

/** A compiled generator for one architecture; any of its parameters can be sampled from. */
export function sampleGenerator(network: Network, process: ProcessConfig): SampleGenerator {
  const sampler = compiledSampler(
    (params) => (x, t, y) => network.apply(params, x, t, { y }).output,
    network.classes,
    process.type === "gaussian" ? process : undefined,
  );
  const shape = [...network.input];
  const interpolant = process.type === "interpolant" ? process.path : "linear";
  const size = tf.util.sizeFromShape(shape);
  return {
    dispose: () => sampler.dispose(),
    async generate(params, options) {
      const { labels, first = 0, batchSize = 64, guidance } = options;
      const { onProgress, onStep } = options;
      const segments = checkGenerate(network, process, options).flatMap((segment) =>
        onStep ? segment.rows.map((row) => ({ ...segment, rows: [row] })) : segment,
      );
      const noiseOf = await noiseSource(options, size);
      const count = labels.length;
      const width = Math.min(batchSize, count);
      const images = new Float32Array(count * size);
      for (let start = 0; start < count; start += width) {
        // The last batch is filled up, because another batch size would be another program to compile.
        const indices = Array.from({ length: width }, (_, i) => start + i);
        const y = tf.tensor1d(
          Int32Array.from(indices, (i) => labels[Math.min(i, count - 1)]),
          "int32",
        );
        const draw = noiseOf(indices);
        const noise = (): Tensor => tf.tensor(draw(), [width, ...shape]);
        let batch = noise();
        const done = Math.min(start + width, count);
        const current = (): Float32Array<ArrayBuffer> =>
          (batch.dataSync() as Float32Array<ArrayBuffer>).subarray(0, (done - start) * size);
        const run = {
          scale: guidance?.scale ?? 1,
          channels: guidedChannels(network, process, guidance),
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
