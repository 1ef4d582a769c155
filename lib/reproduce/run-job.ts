/** One training with its measurements as a job: plain data, so that any process with the folder and the images can do it. */
import { type Dataset, type ImageSet, imageSetData, type TrainingData, withCaptions } from "../data/index.ts";
import { runArm } from "../experiments/arm-run.ts";
import { isCaptioned } from "../experiments/captioned.ts";
import { type Evaluator, evaluatorOfModel, makeEvaluator } from "../experiments/evaluator.ts";
import type { EvaluationScale } from "../experiments/presets.ts";
import type { Reporter } from "../experiments/reporter.ts";
import type { RunResult } from "../experiments/results.ts";
import { contentOfParams, fingerprint } from "../fingerprint.ts";
import type { TrainConfig } from "../train/config.ts";
import type { PlannedSeed } from "./plan.ts";
import { evaluatedSteps, type SecondsOf } from "./runs.ts";

export interface RunJob {
  /** Of the run's folder. */
  readonly name: string;
  readonly config: TrainConfig;
  /** Steps after which it is evaluated, the last of them its end. */
  readonly evaluateAt: readonly number[];
  readonly evaluation: EvaluationScale;
}

export const runJobOf = (
  { folder, setting, config, isFollowed }: PlannedSeed,
  evaluation: EvaluationScale,
  secondsOf: SecondsOf,
): RunJob => ({
  name: folder,
  config,
  evaluateAt: evaluatedSteps({ setting, isFollowed }, config.steps, secondsOf),
  evaluation: isFollowed ? evaluation : { ...evaluation, probeTimesteps: [] },
});

/** What the runs of a folder have in common, made once in each process. */
export interface Workshop {
  readonly folder: string;
  readonly images: ImageSet | TrainingData;
  readonly evaluator: Evaluator;
}

/** What models are trained on: captioned pictures with their captions. */
const trainedOn = (dataset: Dataset): ImageSet | TrainingData =>
  isCaptioned(dataset) ? withCaptions(imageSetData(dataset.train), dataset.captions) : dataset.train;

export const openWorkshop = async (
  folder: string,
  dataset: Dataset,
  evaluation: EvaluationScale,
  reporter: Reporter,
): Promise<Workshop> => ({
  folder,
  images: trainedOn(dataset),
  evaluator: await makeEvaluator(dataset, evaluation, reporter),
});

/** Of the network whose features distances are measured in: machines whose networks differ measure different things. */
export const networkFingerprint = async ({ evaluator }: Workshop): Promise<string> =>
  fingerprint(await contentOfParams(evaluator.network.params), 16);

export interface RunJobOptions {
  readonly signal?: AbortSignal;
  readonly isOurs?: () => Promise<boolean>;
  readonly reporter: Reporter;
}

/**
 * Trains and measures one run, from where it was left, or reads what it came to, and adds its seconds to those of the phases.
 * @returns nothing where the signal stopped it
 */
export function runJob(
  { name, config, evaluateAt, evaluation }: RunJob,
  { folder, images, evaluator }: Workshop,
  { signal, isOurs, reporter }: RunJobOptions,
  seconds: Record<string, number>,
): Promise<RunResult | undefined> {
  const measuring = { ...evaluatorOfModel(evaluator, config), scale: evaluation, reporter };
  const training = { folder, name, config, images, evaluateAt, resume: true, signal, isOurs, reporter };
  return runArm(training, measuring, seconds);
}
