/** What a training run is: plain data, saved as `config.json` and in every checkpoint. */
import type { SRAConfig } from "../align/sra.ts";
import {
  INTERPOLANTS,
  type InterpolantName,
  TIME_DISTRIBUTIONS,
  type TimeDistribution,
} from "../diffusion/interpolants.ts";
import { intervalFault } from "../diffusion/levels.ts";
import { type TransformerConfig, transformerShapes } from "../models/transformer.ts";
import type { AdamWConfig } from "../optim/adamw.ts";
import type { Schedule } from "../optim/schedules.ts";

export interface TrainConfig {
  seed: number;
  model: TransformerConfig;
  /** Of a SiT, as its times' distribution; a DiT has a diffusion process in `model`. */
  interpolant: InterpolantName;
  timeDistribution: TimeDistribution;
  /** Absent: the baseline. */
  sra?: SRAConfig;
  /** lambda, the weight of the alignment loss. */
  alignWeight: Schedule;
  steps: number;
  batchSize: number;
  /** Runs that a batch is split into, whose gradients are added up: the memory of a share. Default: 1. */
  accumulate?: number;
  /** Parts that a run's batch is split into inside the compiled step. Default: chosen by the sizes of model and batch. */
  microBatches?: number;
  /** Keep only the blocks' inputs for the gradient, and compute the blocks again: about a third more time. Default: no. */
  remat?: boolean;
  learningRate: Schedule;
  adamW: AdamWConfig;
  /** Largest global gradient norm; 0 is no limit. */
  maxGradientNorm: number;
  emaDecay: Schedule;
  /** Probability that a sample's label becomes the null class. */
  classDropout: number;
  /** Steps between lines of metrics.jsonl. */
  logEvery: number;
  /** Steps between checkpoints; one is always written at the end. */
  checkpointEvery: number;
}

/** Checks a config; throws one sentence that names the field, what was expected and what came. */
export function checkTrainConfig(config: TrainConfig): void {
  const fail = (field: string, expected: string, got: unknown): never => {
    throw new RangeError(`train config: ${field} must be ${expected}, got ${JSON.stringify(got)}`);
  };
  const { accumulate = 1, microBatches = 1, batchSize } = config;
  const counts = { ...config, accumulate, microBatches };
  for (const field of [
    "steps",
    "batchSize",
    "accumulate",
    "microBatches",
    "logEvery",
    "checkpointEvery",
  ] as const) {
    if (!Number.isInteger(counts[field]) || counts[field] < 1)
      fail(field, "a positive integer", counts[field]);
  }
  if (batchSize % accumulate !== 0) fail("accumulate", `a divisor of batchSize ${batchSize}`, accumulate);
  const run = batchSize / accumulate;
  if (run % microBatches !== 0) {
    fail(
      "microBatches",
      `a divisor of ${accumulate > 1 ? "a run's batch size" : "batchSize"} ${run}`,
      microBatches,
    );
  }
  if (!INTERPOLANTS.includes(config.interpolant))
    fail("interpolant", INTERPOLANTS.join(" or "), config.interpolant);
  if (!TIME_DISTRIBUTIONS.includes(config.timeDistribution)) {
    fail("timeDistribution", TIME_DISTRIBUTIONS.join(" or "), config.timeDistribution);
  }
  if (!(config.classDropout >= 0 && config.classDropout <= 1))
    fail("classDropout", "from 0 to 1", config.classDropout);
  transformerShapes(config.model);
  const { sra, model } = config;
  if (!sra) return;
  for (const field of ["studentBlock", "teacherBlock"] as const) {
    if (!Number.isInteger(sra[field]) || sra[field] < 1 || sra[field] > model.depth) {
      fail(`sra.${field}`, `from 1 to the model's depth ${model.depth}`, sra[field]);
    }
  }
  if (sra.projectionHead && !model.projectionHead) {
    fail("model.projectionHead", "true when sra.projectionHead is", model.projectionHead);
  }
  const fault = intervalFault(sra.interval, model.diffusion?.steps);
  if (fault) fail("sra.interval", fault, sra.interval);
}
