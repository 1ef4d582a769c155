/** What a training step costs: seconds, bytes and floating-point operations. */
import { readJson } from "../experiments/arm-run.ts";
import type { Reporter } from "../experiments/reporter.ts";
import { writeAtomic } from "../io/index.ts";
import { randomStream } from "../tensor/random.ts";
import { initTask, makeTask, measureStep, planTraining, type TrainConfig } from "../train/index.ts";
import type { Experiment, ModelSetting } from "./experiment.ts";
import { type ConfigOf, runNames } from "./runs.ts";

export interface Cost {
  /** Of a step, a median. */
  readonly seconds: number;
  /** Bytes that weights, optimizer, activations and gradients are planned to take. */
  readonly memory: number;
  /** Of a step's matrix products. */
  readonly flops: number;
  readonly parameters: number;
}

/** Seconds of a step, a median, measured for some seconds with weights of its own. */
export const measuredStep = (config: TrainConfig, seconds?: number): Promise<number> =>
  measureStep(config, () => initTask(makeTask(config), randomStream(config.seed, "weights")), { seconds });

/** Measures a step for some seconds, which needs its memory, and plans the rest. */
export async function costOf(config: TrainConfig, seconds = 3): Promise<Cost> {
  const plan = await planTraining(config);
  const { weights, optimizer, activations } = plan.memory;
  return {
    seconds: await measuredStep(config, seconds),
    memory: weights + optimizer + activations,
    flops: plan.flopsPerStep,
    parameters: plan.parameters,
  };
}

/** Settings whose costs experiments ask for: those of cells, and of what is measured when the baseline's time is over. */
const costly = (experiments: readonly Experiment[]): ModelSetting[] =>
  experiments
    .flatMap(({ rows }) => rows.flatMap(({ cells }) => cells))
    .flatMap(({ setting, reading }) => {
      if ("against" in reading) return [setting, reading.against];
      const { family, size, isTimed } = setting;
      return isTimed ? [{ family, size }, setting] : [];
    });

/**
 * The costs that experiments ask for, measured where the file has none: a run that goes on has those that it began with.
 * @returns nothing where the signal stopped it
 */
export async function costsOf(
  experiments: readonly Experiment[],
  configOf: ConfigOf,
  { file, reporter, signal }: { file: string; reporter: Reporter; signal?: AbortSignal },
): Promise<((setting: ModelSetting) => Cost) | undefined> {
  const names = runNames(configOf);
  // Whether it is measured on the way does not change a step.
  const nameOf = ({ isTimed: _, ...setting }: ModelSetting): string => names(setting);
  const costs = await readJson<Record<string, Cost>>(file, {});
  const missing = new Map(
    costly(experiments)
      .map((setting): [string, ModelSetting] => [nameOf(setting), setting])
      .filter(([name]) => costs[name] === undefined),
  );
  if (missing.size > 0) reporter.begin("costs of a step", missing.size);
  for (const [i, [name, setting]] of [...missing].entries()) {
    if (signal?.aborted) return undefined;
    costs[name] = await costOf(configOf(setting, 0));
    await writeAtomic(file, JSON.stringify(costs));
    reporter.update(i + 1);
  }
  if (missing.size > 0) reporter.end();
  return (setting) => costs[nameOf(setting)];
}
