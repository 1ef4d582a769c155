/** One step of a run: its batch, the compiled program, and what came of it. */
import { named } from "../distributed/communicator.ts";
import type { Reducer } from "../distributed/reduce.ts";
import type { ProgramStats } from "../jit/index.ts";
import { type Schedule, scheduleAt } from "../optim/schedules.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { disposeTree, flattenTree } from "../tensor/tree.ts";
import type { BatchSource } from "./batches.ts";
import type { Metrics } from "./checkpoint.ts";
import { compileRuns, compileStep, type Share } from "./compile.ts";
import type { TrainConfig } from "./config.ts";
import { median } from "./recorder.ts";
import type { StepMetrics, StepResult, StepScalars, TrainState } from "./step.ts";
import type { Task } from "./task.ts";

/** What a step came to. */
export interface TrainingStep {
  /** Steps done, and all of them. */
  step: number;
  steps: number;
  /** Numbers of this step: `generative`, the loss of each method by its name, and `gradientNorm`. */
  metrics: Metrics;
  /** The state after it, which the next step takes over. */
  state: TrainState;
  stepsPerSecond: number;
  secondsLeft: number;
  /** How wide the arrays between the step's kernels are, and the factors of its products: what of `config.precision` is in use. */
  precision: ProgramStats["precision"];
}

/** How far a training is. */
export interface Run {
  readonly config: TrainConfig;
  readonly task: Task;
  readonly seconds: number[];
  step: number;
  state?: TrainState;
  checkpoint?: string;
  /** Of a run of several processes. */
  readonly reducer?: Reducer;
  /** Why there is no state to go on from. */
  failure?: Error;
}

/** Steps whose pace the estimate of the time left follows. */
const RECENT = 20;

/** Makes a step: afterwards the run has the state that came of it. */
export async function oneStep(
  run: Run,
  compiled: ReturnType<typeof compiledStep>,
  nextBatch: BatchSource,
): Promise<TrainingStep> {
  const { config, task, seconds } = run;
  const started = performance.now();
  const batch = await nextBatch(run.step);
  const scalars = scalarsAt(config, run.step, task.methods);
  try {
    const { state, metrics }: StepResult = await compiled(run.state!, batch, scalars);
    run.state = state;
    run.step++;
    nextBatch.ahead(run.step);
    const numbers = await readMetrics(metrics, run);
    disposeTree(metrics);
    seconds.push((performance.now() - started) / 1000);
    const [{ precision }] = [compiled.stats].flat()[0].traces;
    return { ...progressOf(run.step, config.steps, numbers, state, seconds), precision };
  } catch (error) {
    // It was being written over, or holds numbers that are none.
    const isGone = flattenTree(run.state!).some(({ tensor }) => tensor.isDisposed);
    if (isGone || error instanceof DivergenceError) run.failure = error as Error;
    throw error;
  } finally {
    disposeTree([batch, scalars]);
  }
}

/** A step in one program where that does, else in runs: whole, or a process's share of it. */
export const compiledStep = (task: Task, config: TrainConfig, share?: Share) =>
  share || (config.accumulate ?? 1) > 1 ? compileRuns(task, config, share) : compileStep(task, config);

/** The scheduled numbers of a step (from 0), the weights of methods among them. */
export function scalarsAt(
  { learningRate, emaDecay }: Pick<TrainConfig, "learningRate" | "emaDecay">,
  step: number,
  methods: readonly { weight: Schedule }[],
): StepScalars {
  const scalar = (schedule: Schedule): Tensor => tf.scalar(scheduleAt(schedule, step));
  return {
    learningRate: scalar(learningRate),
    weights: methods.map(({ weight }) => scalar(weight)),
    emaDecay: scalar(emaDecay),
  };
}

/** Numbers of a step are not finite, and so neither is what came of it. */
class DivergenceError extends Error {}

/** Reads a step's metrics; throws when one is not finite. */
async function readMetrics(
  metrics: StepMetrics,
  { step, checkpoint = "none yet", reducer }: Pick<Run, "step" | "checkpoint" | "reducer">,
): Promise<Metrics> {
  const read = Object.entries(metrics).map(
    async ([name, tensor]) => [name, (await tensor.data())[0]] as const,
  );
  const numbers = Object.fromEntries(await Promise.all(read));
  const bad = Object.entries(numbers).find(([, value]) => !Number.isFinite(value));
  if (bad) {
    const own = reducer?.losses ?? new Float64Array(1);
    const ranks = [...own.keys()].filter((rank) => !Number.isFinite(own[rank]));
    // Where all did, it is no rank's fault.
    const where = ranks.length === 0 || ranks.length === own.length ? "" : ` on ${named(ranks)}`;
    throw new DivergenceError(
      `training diverged at step ${step}${where}: ${bad[0]} is ${bad[1]}; last good checkpoint: ${checkpoint}`,
    );
  }
  return numbers;
}

function progressOf(
  step: number,
  steps: number,
  metrics: Metrics,
  state: TrainState,
  seconds: readonly number[],
): Omit<TrainingStep, "precision"> {
  const pace = median(seconds.slice(-RECENT));
  return { step, steps, metrics, state, stepsPerSecond: 1 / pace, secondsLeft: (steps - step) * pace };
}
