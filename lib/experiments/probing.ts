/** Linear probes of a network by block, noise level and weights, and the norms of its features (paper, figures 2 and 7). */
import { levelAt } from "../diffusion/levels.ts";
import type { ProcessConfig } from "../diffusion/process.ts";
import type { Communicator } from "../distributed/communicator.ts";
import { shareOut } from "../distributed/share.ts";
import type { Network } from "../models/network.ts";
import type { ExtractRequest } from "../probe/cached.ts";
import { blocksOf } from "../probe/extract.ts";
import {
  cachedExtractor,
  featureNorms,
  linearProbe,
  type ProbedSet,
  type ProbeRecipe,
  type StoredFeatures,
} from "../probe/index.ts";
import { probeRecipe } from "../probe/linear.ts";
import { check } from "../schema.ts";
import type { Params } from "../tensor/params.ts";
import type { Reporter } from "./reporter.ts";

/** The averaged weights, which teach, or the trained ones. */
export type ProbedWeights = "teacher" | "student";

/** What is looked into. */
export interface LookOptions {
  weights: Partial<Record<ProbedWeights, Params>>;
  /** Noise levels from 0 (data) to 1 (noise); of a DiT shares of its steps. */
  times: readonly number[];
  /** Of noise, latents and the order of images in files; test images have the next one. */
  seed: number;
  /** Ends it by the signal's reason, thrown; features that are on disk by then are found again. */
  signal?: AbortSignal;
}

export interface BlockProbesOptions extends LookOptions {
  network: Network;
  process: ProcessConfig;
  /** Counted from 1. Default: every block. */
  blocks?: readonly number[];
  /** What the network computes beside its parameters, as plain data: of one of ours its config. */
  identity: unknown;
  train: ProbedSet;
  test: ProbedSet;
  trainCount: number;
  testCount: number;
  classes: number;
  recipe: ProbeRecipe;
  /** The folder of features. Default: `probes` in the cache folder. */
  cache?: string;
  /** Those that probe together, and all get the results; they all see the folder of features. */
  ranks?: Communicator;
  reporter: Reporter;
}

/** Accuracy, 0 to 1, of the probe of one block. */
export interface BlockProbe {
  weights: ProbedWeights;
  time: number;
  block: number;
  accuracy: number;
}

/** Every set of weights at every noise level. @throws where the process has no such level */
function looksOf(process: ProcessConfig, { weights, times }: LookOptions) {
  const levels = times.map((time) => ({ time, level: levelAt(process, time) }));
  const named = Object.entries(weights) as [ProbedWeights, Params][];
  return named.flatMap(([weights, params]) => levels.map((at) => ({ weights, params, ...at })));
}

/**
 * Probes blocks at noise levels, of averaged or trained weights: features of each are kept on disk, and a layer is trained
 * on them. Called again, it goes on with the features that there are.
 */
export async function probeBlocks(options: BlockProbesOptions): Promise<BlockProbe[]> {
  const { network, process, identity, seed, signal, reporter, cache, classes, recipe, ranks } = options;
  const blocks = blocksOf(network, options.blocks);
  const looks = looksOf(process, options);
  // Before hours of work, not after.
  check(probeRecipe, recipe, "probe");
  const extractor = cachedExtractor(network, process, { identity, blocks, folder: cache });
  type Look = (typeof looks)[number];
  /** Training and test images as a look has them: test images have noise of their own. */
  const askedOf = ({ params, level }: Look) => {
    const asked = (images: ProbedSet, count: number, own: number): ExtractRequest => ({
      ...{ params, images, options: { ...level, count, seed: own, signal } },
    });
    return {
      training: asked(options.train, options.trainCount, seed),
      test: asked(options.test, options.testCount, seed + 1),
    };
  };
  /** The files of all features, before each rank trains the probes of other looks on them. */
  async function shareFeatures(ranks: Communicator): Promise<void> {
    const asked = looks.flatMap((look) => Object.values(askedOf(look)));
    let begun = false;
    await extractor.share(asked, ranks, (done, total) => {
      if (!begun) reporter.begin(`files of features, by ${ranks.size} ranks`, total);
      begun = true;
      reporter.update(done);
    });
    reporter.end();
  }
  async function probesOf(look: Look): Promise<BlockProbe[]> {
    const { weights, time } = look;
    const found: StoredFeatures[] = [];
    for (const [what, { params, images, options }] of Object.entries(askedOf(look))) {
      reporter.begin(`${weights}, t = ${time}: features of ${what} images`, options.count);
      const onProgress = (done: number): void => reporter.update(done);
      found.push(await extractor.extract(params, images, { ...options, onProgress }));
      reporter.end();
    }
    const [train, test] = found;
    let begun = false;
    const accuracies = await linearProbe(train, train.labels, test, test.labels, {
      ...{ ...recipe, classes, seed, signal },
      onProgress(done, total) {
        if (!begun) reporter.begin(`${weights}, t = ${time}: probes`, total);
        begun = true;
        reporter.update(done);
      },
    });
    if (begun) reporter.end();
    return accuracies.map((accuracy, i) => ({ weights, time, block: blocks[i], accuracy }));
  }
  const results: BlockProbe[] = [];
  try {
    if (ranks) await shareFeatures(ranks);
    for await (const found of shareOut(looks, probesOf, ranks)) results.push(...found);
  } finally {
    await extractor.dispose();
  }
  return results;
}

export interface BlockNormsOptions extends LookOptions {
  images: ProbedSet;
  count: number;
}

/** Norms of a block's tokens: their mean, standard deviation and the largest. */
export interface BlockNorm {
  weights: ProbedWeights;
  time: number;
  block: number;
  mean: number;
  deviation: number;
  largest: number;
}

export interface NormMeter {
  measure(options: BlockNormsOptions): Promise<BlockNorm[]>;
  dispose(): Promise<void>;
}

/**
 * Measures the norms of blocks' features (default: of every block) for one set of weights after another, compiled once:
 * over the checkpoints of a run they show whether features grow.
 */
export function normMeter(network: Network, process: ProcessConfig, chosen?: readonly number[]): NormMeter {
  const blocks = blocksOf(network, chosen);
  const extractor = featureNorms(network, process, blocks);
  return {
    async measure(options) {
      const { images, count, seed, signal } = options;
      const results: BlockNorm[] = [];
      for (const { weights, params, time, level } of looksOf(process, options)) {
        const norms = await extractor.extract(params, images, { ...level, count, seed, signal });
        for (const [i, block] of blocks.entries()) {
          const [mean, deviation, largest] = [norms.mean[i], norms.deviation[i], norms.largest[i]];
          results.push({ weights, time, block, mean, deviation, largest });
        }
      }
      return results;
    },
    dispose: () => extractor.dispose(),
  };
}
