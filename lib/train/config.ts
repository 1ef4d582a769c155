/** What a training run is: plain data, saved as `config.json` and in every checkpoint, and checked by one schema. */
import { sraConfig } from "../align/sra.ts";
import { INTERPOLANTS, TIME_DISTRIBUTIONS } from "../diffusion/interpolants.ts";
import { intervalFault } from "../diffusion/levels.ts";
import { transformerConfig } from "../models/config.ts";
import { adamWConfig } from "../optim/adamw.ts";
import { schedule } from "../optim/schedules.ts";
import { atLeast0, check, count, flag, oneOf, share, z } from "../schema.ts";

/** The fields of a config. */
export const trainConfigFields = z.strictObject({
  seed: z.int("an integer").describe("Seed of weights, data order and noise."),
  model: transformerConfig.describe("The network."),
  interpolant: oneOf(
    INTERPOLANTS,
    "The path between data and noise of a SiT; a DiT has a diffusion process in `model`.",
  ),
  timeDistribution: oneOf(TIME_DISTRIBUTIONS, "How training times of a SiT are drawn."),
  sra: sraConfig.optional().describe("Self-representation alignment. Absent: the baseline."),
  alignWeight: schedule.describe("lambda, the weight of the alignment loss."),
  steps: count("Training steps in all."),
  batchSize: count("Images a step."),
  accumulate: count(
    "Gradient accumulation steps: runs that a step's batch is split into, whose gradients are added up: less memory. Default: 1.",
  ).optional(),
  microBatches: count(
    "Microbatches: parts that a run's batch is split into inside the compiled step. Default: chosen by the sizes of model and batch.",
  ).optional(),
  remat: flag(
    "Compute blocks again for the gradient: about a third more time, far less memory. Default: no.",
  ).optional(),
  learningRate: schedule.describe("Learning rate of AdamW."),
  adamW: adamWConfig.describe("The optimizer."),
  maxGradientNorm: atLeast0("Largest global gradient norm; 0 is no limit."),
  emaDecay: schedule.describe("Decay of the moving average: SRA's teacher, and the weights to sample from."),
  moreEmaDecays: z
    .array(share("A decay."), "a list of decays")
    .optional()
    .describe("Decays of further moving averages that are kept beside it."),
  classDropout: share(
    "Probability that a sample's label becomes the null class, for classifier-free guidance.",
  ),
  logEvery: count("Steps between lines of metrics.jsonl."),
  checkpointEvery: count("Steps between checkpoints; one is always written at the end."),
  keepCheckpoints: count("Newest checkpoints that are kept. Default: 2.").optional(),
  keepEvery: count("Steps between checkpoints that are kept for good. Default: none is.").optional(),
  sampleEvery: count(
    "Steps between grids of samples, `samples/step-*.png`. Default: none are made.",
  ).optional(),
});

export type TrainConfig = z.infer<typeof trainConfigFields>;

const trainConfig = trainConfigFields.superRefine((config, context) => {
  const fail = (field: string, expected: string): void =>
    context.addIssue({ code: "custom", path: field.split("."), message: expected });
  const { accumulate = 1, microBatches = 1, batchSize, sra, model, checkpointEvery, keepEvery } = config;
  const run = batchSize / accumulate;
  if (batchSize % accumulate !== 0) fail("accumulate", `a divisor of batchSize ${batchSize}`);
  else if (run % microBatches !== 0)
    fail("microBatches", `a divisor of ${accumulate > 1 ? "a run's batch size" : "batchSize"} ${run}`);
  if (keepEvery !== undefined && keepEvery % checkpointEvery !== 0)
    fail("keepEvery", `a multiple of checkpointEvery ${checkpointEvery}`);
  if (!sra) return;
  for (const field of ["studentBlock", "teacherBlock"] as const)
    if (sra[field] > model.depth) fail(`sra.${field}`, `from 1 to the model's depth ${model.depth}`);
  if (sra.projectionHead && !model.projectionHead)
    fail("model.projectionHead", "true when sra.projectionHead is");
  const fault = intervalFault(sra.interval, model.diffusion?.steps);
  if (fault) fail("sra.interval", fault);
});

/** Checks a config. @throws RangeError, one sentence that names every field that is missing, unknown or wrong. */
export const checkTrainConfig = (config: TrainConfig): void => check(trainConfig, config, "train config");
