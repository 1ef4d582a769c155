/** What happens to a run's state beside its steps: it is looked at, written down and kept. */
import type { TrainingData } from "../data/index.ts";
import type { Run, TrainingStep } from "./one-step.ts";
import { looksAt, type Recorder } from "./recorder.ts";
import { type Look, type Shards, withWhole } from "./shards.ts";
import type { TrainState } from "./step.ts";
import type { TrainingOptions } from "./training.ts";

/** A training under way. */
export interface OpenRun extends Run {
  readonly data: TrainingData;
  readonly options: TrainingOptions;
  readonly shards?: Shards;
  /** The step of the newest checkpoint, of a run in shards, whose ranks write it together. */
  savedAt?: number;
  /** Whether a loop is under way, and whether it is to end. */
  isBusy: boolean;
  isStopping: boolean;
  /** The step that was evaluated last. */
  evaluated?: number;
}

/** Evaluates the state, where that is due. */
export async function evaluate(run: OpenRun): Promise<void> {
  const { evaluateAt = [], onEvaluate } = run.options;
  if (run.evaluated === run.step || !evaluateAt.includes(run.step)) return;
  await seen(run, { wanted: "all", everywhere: true }, async (state) => onEvaluate?.(state!, run.step));
  run.evaluated = run.step;
}

/** Calls `look` with the state, or, where it is in shards, with what is wanted of it whole; all ranks come here. */
function seen(
  { state, shards }: OpenRun,
  wanted: Look,
  look: (state: TrainState | undefined) => Promise<void>,
): Promise<void> {
  return shards ? withWhole(state!, shards, wanted, look) : look(state);
}

/** Writes down what a step came to. */
export async function record(
  run: OpenRun,
  recorder: Recorder | undefined,
  { metrics, state }: TrainingStep,
): Promise<void> {
  const { config, step, seconds, shards } = run;
  const write = async (whole: TrainState): Promise<void> => {
    await recorder?.log(step, metrics, seconds[seconds.length - 1], whole);
    await recorder?.draw(step, whole);
  };
  // Gathering the averages takes time, and nobody looks at them in between.
  if (!shards || !looksAt(config, step)) return write(state);
  await withWhole(state, shards, { wanted: "averages" }, (whole) => write(whole ?? state));
}

export async function save(run: OpenRun, recorder: Recorder | undefined): Promise<void> {
  if (run.shards && run.savedAt === run.step) return;
  await seen(run, { wanted: "all" }, async (state) => recorder?.save(run.step, state!));
  run.savedAt = run.step;
  run.checkpoint = recorder?.checkpoint;
}

/** Saves what the last whole step left, whatever it was that ended the loop. */
export async function keep(run: OpenRun, recorder: Recorder | undefined, thrown: unknown): Promise<void> {
  if (run.failure || run.step === 0) return;
  // Where this rank has only a part, the others would have to come, who know nothing of what happened.
  if (run.shards && thrown !== undefined) return;
  try {
    await save(run, recorder);
  } catch (error) {
    if (thrown === undefined) throw error;
    const [first, second] = [thrown, error].map((one) => (one instanceof Error ? one.message : String(one)));
    throw new Error(`${first}; and then the state after step ${run.step} could not be saved: ${second}`, {
      cause: thrown,
    });
  }
}
