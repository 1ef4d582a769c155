/** Samples from a network in batches, image by image reproducible. */
import type { ProcessConfig } from "../diffusion/index.ts";
import { type NdArray, ndarray } from "../io/index.ts";
import type { Condition } from "../models/network.ts";
import type { Params } from "../tensor/params.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { disposeTree, flattenTree, mapTensors, tidyTree } from "../tensor/tree.ts";
import { compiledSampler, type Segment, segmentsOf } from "./compiled.ts";
import type { Guidance } from "./guidance.ts";
import { type NoiseOptions, noiseSource } from "./noise.ts";
import { planSteps, type SamplerSchedule, samplerName } from "./plan.ts";
import { checkGuided, checkPredicts, checkWeaker, type Sampleable, type WeakerModel } from "./predictor.ts";
import type { SamplerChoice, SamplerSettings } from "./samplers.ts";

/** What is drawn: by class, by another condition, or so many of a network that takes none. One of them. */
export interface DrawnOptions {
  /** The class of each image; as many as the network has classes stands for no class. */
  labels?: ArrayLike<number>;
  /** A condition whose tensors have a row for each image. */
  condition?: Condition;
  /** Number of images of which nothing is said, of a network that draws by no class. */
  count?: number;
}

export interface GenerateOptions extends DrawnOptions, NoiseOptions, SamplerSchedule, SamplerSettings {
  /** By its name, or one of one's own. */
  sampler: SamplerChoice;
  /** Images at a time. Default 64. */
  batchSize?: number;
  guidance?: Guidance;
  /**
   * Clamp the predicted data to [-1, 1] in every step: for pixels, not for latents. A DiT, which predicts noise, needs it
   * there: where nearly all is noise, a small error of it is a large one of the data. Default: false.
   */
  clip?: boolean;
  /** A weaker model to be guided by; without one guidance is classifier-free. */
  weaker?: WeakerModel;
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
  /** The data as they were predicted when the step began, [count,C,H,W]. */
  denoised: NdArray<"float32">;
}

export interface SampleGenerator {
  /** Images [count,C,H,W], about -1 to 1. Throws on options that `checkGenerate` refuses, before anything is computed. */
  generate(params: Params, options: GenerateOptions): Promise<NdArray<"float32">>;
  dispose(): Promise<void>;
}

/** The released DiT guides three of a latent's four channels; a variance is guided by none. */
const RELEASED_DIT_CHANNELS = 3;

const guidedChannels = (
  [channels]: Sampleable["input"],
  { type }: ProcessConfig,
  guidance?: Guidance,
): number =>
  guidance?.channels ?? (type === "gaussian" ? Math.min(RELEASED_DIT_CHANNELS, channels) : channels);

/** @throws RangeError naming the first image whose class id is out of range. */
function checkLabels(labels: ArrayLike<number>, classes: number): void {
  for (let i = 0; i < labels.length; i++) {
    if (!Number.isInteger(labels[i]) || labels[i] < 0 || labels[i] > classes) {
      throw new RangeError(
        `class id ${labels[i]} of image ${i} is out of range; expected 0 to ${classes - 1}, or ${classes} for no class`,
      );
    }
  }
}

/** The number of images that options ask for. */
function countOf({ name, classes }: Sampleable, { labels, condition, count }: DrawnOptions): number {
  const given = Object.entries({ labels, condition, count }).filter(([, value]) => value !== undefined);
  if (given.length !== 1)
    throw new Error(
      `what is drawn must be labels, a condition or a count, one of them, got ${given.map(([name]) => name).join(" and ") || "none"}`,
    );
  if (labels) {
    if (classes === 0) throw new Error(`the ${name} knows no classes; expected a count, got labels`);
    checkLabels(labels, classes);
    return labels.length;
  }
  if (condition) {
    const leaves = flattenTree(condition);
    const rows = leaves[0]?.tensor.shape[0] ?? 0;
    const other = leaves.find(({ tensor }) => tensor.shape[0] !== rows);
    if (rows === 0 || other)
      throw new RangeError(
        `a condition must have a row for each image in all its tensors, got ${leaves.map(({ path, tensor }) => `${path} [${tensor.shape}]`).join(", ") || "no tensors"}`,
      );
    return rows;
  }
  if (classes > 0) throw new Error(`the ${name} draws by class; expected labels, got a count`);
  if (!Number.isInteger(count) || (count as number) < 1)
    throw new RangeError(`count must be an integer of at least 1, got ${count}`);
  return count as number;
}

/** The condition of some of the images; nothing is said of those that are drawn by count. */
const conditionOf = (
  network: Sampleable,
  params: Params,
  { labels, condition }: DrawnOptions,
  images: readonly number[],
): Condition =>
  tidyTree(() => {
    if (labels)
      return network.conditionOf(
        tf.tensor1d(
          Int32Array.from(images, (i) => labels[i]),
          "int32",
        ),
        {},
      );
    if (!condition) return network.nullCondition(images.length, params);
    const rows = tf.tensor1d([...images], "int32");
    return mapTensors(condition, (tensor) => tf.gather(tensor, rows));
  });

function checkShape(name: string, given: NoiseOptions["latents"], expected: readonly number[]): void {
  if (given && `${given.shape}` !== `${expected}`)
    throw new RangeError(`${name} must be [${expected}], got [${given.shape}]`);
}

const COMMON = Object.keys({
  sampler: true,
  steps: true,
  grid: true,
  labels: true,
  condition: true,
  count: true,
  seed: true,
  first: true,
  latents: true,
  noise: true,
  batchSize: true,
  clip: true,
  guidance: true,
  weaker: true,
  onProgress: true,
  onStep: true,
} satisfies Record<Exclude<keyof GenerateOptions, keyof SamplerSettings>, true>);

/** What `generate` refuses, known before a parameter is read or a file written. Returns the sampler's steps in runs. */
export function checkGenerate(
  network: Sampleable,
  process: ProcessConfig,
  options: GenerateOptions,
): Segment[] {
  const { sampler, steps, guidance, weaker, latents, noise, seed = 0, batchSize = 64 } = options;
  checkPredicts(network, process);
  if (weaker) checkWeaker(network, weaker, process);
  const against = () => (weaker ? { weaker } : guidance ? { none: network.nullCondition(1) } : {});
  tidyTree(() => checkGuided(guidance, against(), network.input[0]));
  const planned = planSteps(sampler, process, options, COMMON);
  const count = countOf(network, options);
  if (typeof seed !== "number" && seed.length !== count)
    throw new RangeError(`expected a seed, or one for each of ${count} images, got ${seed.length}`);
  if (!Number.isInteger(batchSize) || batchSize < 1)
    throw new RangeError(`batchSize must be an integer of at least 1, got ${batchSize}`);
  const all = [count, ...network.input];
  const draws = planned.filter(({ numbers }) => numbers.noise).length;
  checkShape("latents", latents, all);
  if (noise && draws === 0)
    throw new Error(`noise was given, but '${samplerName(sampler)}' of ${steps} steps draws none`);
  checkShape("noise", noise, [draws, ...all]);
  return segmentsOf(sampler, planned, guidance);
}

/** A compiled generator for one network and its process; any parameters that fit the network can be sampled from. */
export function sampleGenerator(network: Sampleable, process: ProcessConfig): SampleGenerator {
  const compiled = compiledSampler(network, process);
  const shape = [...network.input];
  const size = tf.util.sizeFromShape(shape);
  const numbersOf = async (tensor: Tensor, count: number): Promise<NdArray<"float32">> =>
    ndarray(((await tensor.data()) as Float32Array).slice(0, count * size), [count, ...shape]);
  return {
    dispose: () => compiled.dispose(),
    async generate(params, options) {
      const { sampler, first = 0, batchSize = 64, guidance, clip, weaker, onProgress, onStep } = options;
      const segments = checkGenerate(network, process, options).flatMap((segment) =>
        onStep ? segment.steps.map((numbers) => ({ ...segment, steps: [numbers] })) : segment,
      );
      const count = countOf(network, options);
      const noiseOf = await noiseSource(options, count, size);
      const width = Math.min(batchSize, count);
      const images = new Float32Array(count * size);
      for (let start = 0; start < count; start += width) {
        // The last batch is filled up, because another batch size would be another program to compile.
        const indices = Array.from({ length: width }, (_, i) => start + i);
        const draw = noiseOf(indices);
        const noise = (): Tensor => tf.tensor(draw(), [width, ...shape]);
        const done = Math.min(start + width, count);
        const run = {
          params,
          condition: conditionOf(
            network,
            params,
            options,
            indices.map((i) => Math.min(i, count - 1)),
          ),
          scale: guidance?.scale ?? 1,
          channels: guidedChannels(network.input, process, guidance),
          ...(weaker && { weaker: { network: weaker.network ?? network, params: weaker.params } }),
          noise,
          clip,
          watched: onStep !== undefined,
        };
        let state = compiled.start(sampler, noise());
        try {
          for (const [i, segment] of segments.entries()) {
            const { state: next, denoised } = await compiled.run(state, segment, run);
            disposeTree(state);
            state = next;
            if (!denoised) continue;
            const progress = {
              step: i + 1,
              steps: segments.length,
              images: await numbersOf(state.x, done - start),
              first: first + start,
              denoised: await numbersOf(denoised, done - start),
            };
            denoised.dispose();
            await onStep?.(progress);
          }
          images.set((await numbersOf(state.x, done - start)).data, start * size);
        } finally {
          disposeTree([state, run.condition]);
        }
        onProgress?.(done, count);
      }
      return ndarray(images, [count, ...shape]);
    },
  };
}
