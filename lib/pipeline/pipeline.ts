/** From a checkpoint to images: network, parameters, process and VAE in one value. */
import type { Network } from "../models/index.ts";
import {
  checkGenerate,
  type DrawnOptions,
  type GenerateOptions,
  type Guidance,
  type SamplerChoice,
  sampleGenerator,
} from "../samplers/index.ts";
import { disposeTree } from "../tensor/tree.ts";
import { imageDecoder } from "./decoder.ts";
import { isPixels, type Samples, samplesOf } from "./samples.ts";
import { loadSource, type PipelineSource, type PipelineSourceOptions } from "./source.ts";

export interface PipelineOptions extends PipelineSourceOptions {
  /** Diffusers' files of the VAE that makes images of latents, or the name of a published one, `sd-vae-ft-ema`. */
  vae?: string;
}

export interface PipelineSampleOptions extends Omit<GenerateOptions, "sampler" | "steps" | "guidance"> {
  /** Default: euler, of a Gaussian process ddpm. */
  sampler?: SamplerChoice;
  /** Sampler steps. Default 50. */
  steps?: number;
  /** Guidance, or its scale alone. Default: none. */
  guidance?: number | Guidance;
  /** Clamp the predicted data to [-1, 1] in every step. Default: of a Gaussian process on pixels. */
  clip?: boolean;
}

export interface Pipeline extends PipelineSource {
  /**
   * Draws images: of the classes in `labels`, or `count` (default 8) of all classes in turn, or of none where the network
   * knows none. Image i depends on the seed and i alone. In a notebook a bar shows how far it is.
   * @throws what `check` does, before anything is computed.
   */
  sample(options?: PipelineSampleOptions): Promise<Samples>;
  /** Throws on options that mean nothing, before anything is computed or written. */
  check(options?: PipelineSampleOptions): void;
  /** Whether samples are pictures: of pixels, or of latents that a VAE decodes. */
  readonly makesImages: boolean;
  dispose(): Promise<void>;
}

const COUNT = 8;
const STEPS = 50;

/** What is drawn, with classes in turn where only a number is given. */
function drawnOf(
  { classes }: Network,
  { labels, condition, count }: DrawnOptions,
  first: number,
): DrawnOptions {
  if (labels !== undefined || condition !== undefined) return { labels, condition, count };
  if (classes === 0) return { count: count ?? COUNT };
  // By the images' numbers, so that a run in parts equals one run.
  return { labels: Array.from({ length: count ?? COUNT }, (_, i) => (first + i) % classes) };
}

/** Options with what they leave out. */
const completed = (
  { network, process }: PipelineSource,
  { guidance, labels, condition, count, ...options }: PipelineSampleOptions,
): GenerateOptions => ({
  ...options,
  sampler: options.sampler ?? (process.type === "gaussian" ? "ddpm" : "euler"),
  steps: options.steps ?? STEPS,
  clip: options.clip ?? (process.type === "gaussian" && isPixels(network.input[0])),
  guidance: typeof guidance === "number" ? { scale: guidance } : guidance,
  ...drawnOf(network, { labels, condition, count }, options.first ?? 0),
});

/**
 * Loads what images are sampled from: a run folder or checkpoint of ours; a PyTorch file or safetensors with its `model`;
 * or what is published under a name.
 * @throws saying what was expected, or what does not fit.
 */
export async function loadPipeline(
  source: string,
  { vae, ...options }: PipelineOptions = {},
): Promise<Pipeline> {
  const loaded = await loadSource(source, options);
  const { network, params, process } = loaded;
  const [channels] = network.input;
  const decoder =
    vae === undefined ? undefined : await imageDecoder(vae, channels, { onProgress: options.onLoad });
  const generator = sampleGenerator(network, process);
  return {
    ...loaded,
    makesImages: decoder !== undefined || isPixels(channels),
    check: (options = {}) => void checkGenerate(network, process, completed(loaded, options)),
    async sample(options = {}) {
      const all = completed(loaded, options);
      const latents = await withProgress(all, (onProgress) =>
        generator.generate(params, { ...all, onProgress }),
      );
      return samplesOf(latents, all.labels && Array.from(all.labels), await decoder?.decode(latents));
    },
    async dispose() {
      disposeTree(params);
      await Promise.all([generator.dispose(), decoder?.dispose()]);
    },
  };
}

/** The bar of ditlab's notebooks, a name that every cell has. */
interface Bar {
  update(done: number): void;
  done(): void;
}

/** Runs what tells how many images are done: to whoever asked, or else in a notebook to a bar. */
async function withProgress<T>(
  { onProgress }: GenerateOptions,
  run: (onProgress: GenerateOptions["onProgress"]) => Promise<T>,
): Promise<T> {
  const { progress } = globalThis as {
    progress?: (total: number, options: { label: string; unit: string }) => Bar;
  };
  if (onProgress || typeof progress !== "function") return run(onProgress);
  let bar: Bar | undefined;
  try {
    return await run((done, total) => {
      bar ??= progress(total, { label: "sampling", unit: "images" });
      bar.update(done);
    });
  } finally {
    bar?.done();
  }
}
