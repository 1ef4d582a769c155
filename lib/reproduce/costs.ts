/** What a training step costs: seconds, bytes and floating-point operations. */
import { readJson } from "../experiments/arm-run.ts";
import type { Reporter } from "../experiments/reporter.ts";
import { writeAtomic } from "../io/index.ts";
import { randomStream } from "../tensor/random.ts";
import { initTask, makeTask, measureStep, planTraining, type TrainConfig } from "../train/index.ts";
import { type StepMeter, stepMeter } from "../train/plan.ts";
import { median } from "../train/recorder.ts";
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

const paramsOf = (config: TrainConfig) => () =>
  initTask(makeTask(config), randomStream(config.seed, "weights"));

/** Seconds of a step, a median, measured for some seconds with weights of its own. */
export const measuredStep = (config: TrainConfig, seconds?: number): Promise<number> =>
  measureStep(config, paramsOf(config), { seconds });

/** What is planned of a step, beside its seconds. */
async function plannedCost(config: TrainConfig): Promise<Omit<Cost, "seconds">> {
  const { memory, flopsPerStep, parameters } = await planTraining(config);
  const { weights, optimizer, activations } = memory;
  return { memory: weights + optimizer + activations, flops: flopsPerStep, parameters };
}

/** Measures a step for some seconds, which needs its memory, and plans the rest. */
export const costOf = async (config: TrainConfig, seconds?: number): Promise<Cost> => ({
  seconds: await measuredStep(config, seconds),
  ...(await plannedCost(config)),
});

/** Turns that steps take, and the seconds of each: what the machine does beside meets all of them alike. */
const [TURNS, TURN_SECONDS] = [5, 0.4];

/** Seconds of a step of each config, measured in turns. @returns nothing where the signal stopped it */
async function secondsInTurns(
  configs: readonly TrainConfig[],
  onTurn: (done: number) => void,
  signal?: AbortSignal,
): Promise<number[] | undefined> {
  const meters: StepMeter[] = [];
  try {
    for (const config of configs) meters.push(await stepMeter(config, paramsOf(config)));
    const times = meters.map((): number[] => []);
    for (let turn = 0; turn < TURNS; turn++) {
      for (const [i, meter] of meters.entries()) {
        if (signal?.aborted) return undefined;
        times[i].push(...(await meter.measure(TURN_SECONDS)));
      }
      onTurn(turn + 1);
    }
    return times.map(median);
  } finally {
    for (const meter of meters) await meter.dispose();
  }
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
 * The costs that experiments ask for, measured in turns where the file has none. A run that goes on has those that it began
 * with: they are measured again beside new ones, which are scaled as these have changed.
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
  const wanted = new Map(costly(experiments).map((setting) => [nameOf(setting), configOf(setting, 0)]));
  if ([...wanted.keys()].some((name) => costs[name] === undefined)) {
    reporter.begin("costs of a step", TURNS);
    const seconds = await secondsInTurns([...wanted.values()], reporter.update, signal);
    if (!seconds) return undefined;
    reporter.end();
    const found = new Map([...wanted.keys()].map((name, i) => [name, seconds[i]]));
    const known = [...found].filter(([name]) => costs[name]);
    const scale = known.length === 0 ? 1 : median(known.map(([name, now]) => costs[name].seconds / now));
    for (const [name, config] of wanted)
      costs[name] ??= { seconds: scale * found.get(name)!, ...(await plannedCost(config)) };
    await writeAtomic(file, JSON.stringify(costs));
  }
  return (setting) => costs[nameOf(setting)];
}
