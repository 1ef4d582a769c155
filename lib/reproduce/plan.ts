/** What experiments will take, before they are begun: runs, time, memory and disk. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Dataset } from "../data/index.ts";
import { isCaptioned } from "../experiments/captioned.ts";
import { newestCheckpoint } from "../train/checkpoint-files.ts";
import type { TrainConfig } from "../train/config.ts";
import { planTraining } from "../train/index.ts";
import { measuredStep } from "./costs.ts";
import type { Experiment, ModelSetting } from "./experiment.ts";
import { type ConfigOf, evaluatedSteps, type PlannedRun, runsOf } from "./runs.ts";
import { type SmallScale, smallConfig, type TrainedOn } from "./scales.ts";

export interface PlannedSeed extends PlannedRun {
  readonly seed: number;
  readonly config: TrainConfig;
  /** Below the folder. */
  readonly folder: string;
  /** Steps that are in a checkpoint already. */
  readonly done: number;
  /** Whether it is measured, too. */
  readonly isComplete: boolean;
}

export interface ReproductionPlan {
  /** Every run with every seed: the seeds one after another, each with every run, so that a part can be compared. */
  readonly runs: readonly PlannedSeed[];
  readonly stepsLeft: number;
  /** Estimated from a step that was measured, and the products of the others. */
  readonly secondsLeft: number;
  /** Bytes that the largest step is planned to take. */
  readonly memory: number;
  /** Bytes that the runs' checkpoints will take. */
  readonly disk: number;
}

export interface Wanted {
  readonly experiments: readonly Experiment[];
  readonly scale: SmallScale;
  readonly seeds: readonly number[];
  /** Of the training images. */
  readonly images: TrainedOn;
  readonly folder: string;
}

/** Of a data set what models depend on. */
export function trainedShape(dataset: Dataset): TrainedOn {
  const { height, channels } = dataset.train;
  return {
    height,
    channels,
    ...(isCaptioned(dataset) && { captions: dataset.captions.features.shape }),
  };
}

export const configsOf =
  ({ scale, images }: Pick<Wanted, "scale" | "images">): ConfigOf =>
  (setting: ModelSetting, seed: number) =>
    smallConfig(scale, setting, images, seed);

/** Every run with every seed, and how far each is. */
export function plannedSeeds(wanted: Wanted): PlannedSeed[] {
  const configOf = configsOf(wanted);
  const runs = runsOf(wanted.experiments, configOf);
  return wanted.seeds.flatMap((seed) =>
    runs.map((run) => {
      const folder = `${run.name}-seed${seed}`;
      const at = join(wanted.folder, folder);
      return {
        ...run,
        seed,
        folder,
        config: configOf(run.setting, seed),
        done: newestCheckpoint(at)?.step ?? 0,
        isComplete: existsSync(join(at, "result.json")),
      };
    }),
  );
}

/** Weights and moments, twice: two checkpoints are kept. */
const checkpointBytes = (parameters: number): number => 2 * 4 * 4 * parameters;
/** Of a step's products, those of a forward pass without gradients. */
const FORWARD_SHARE = 1 / 3;

/** Plans experiments; a step is measured for some seconds. */
export async function planReproduction(wanted: Wanted, measureSeconds = 3): Promise<ReproductionPlan> {
  const runs = plannedSeeds(wanted);
  const { generated, samplerSteps, probeTrain, probeTest, probeTimesteps } = wanted.scale.evaluation;
  const kinds = new Map<string, Awaited<ReturnType<typeof planTraining>>>();
  for (const { name, config } of runs) if (!kinds.has(name)) kinds.set(name, await planTraining(config));
  const [first] = runs;
  const rate = first
    ? kinds.get(first.name)!.flopsPerStep / (await measuredStep(first.config, measureSeconds))
    : 1;
  let [stepsLeft, secondsLeft, memory, disk] = [0, 0, 0, 0];
  for (const { name, setting, config, done, isComplete, isFollowed } of runs) {
    const { flopsPerStep, memory: parts, parameters } = kinds.get(name)!;
    memory = Math.max(memory, parts.weights + parts.optimizer + parts.activations);
    disk += checkpointBytes(parameters);
    if (isComplete) continue;
    const left = config.steps - done;
    const perImage = (FORWARD_SHARE * flopsPerStep) / config.batchSize;
    const probed = isFollowed ? probeTimesteps.length * (probeTrain + probeTest) : 0;
    // How many there are does not depend on the times.
    const all = evaluatedSteps({ setting, isFollowed }, config.steps, () => 1).length;
    const evaluations = all * (left / config.steps);
    stepsLeft += left;
    secondsLeft +=
      (flopsPerStep * left + evaluations * perImage * (generated * samplerSteps + probed)) / rate;
  }
  return { runs, stepsLeft, secondsLeft, memory, disk };
}
