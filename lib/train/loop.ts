/** A whole run in a folder, with what happens beside its steps. */
import type { ImageSet, TrainingData } from "../data/index.ts";
import type { TrainConfig } from "./config.ts";
import { median } from "./recorder.ts";
import type { TrainState } from "./step.ts";
import { type TrainingOptions, type TrainingStep, training } from "./training.ts";

export interface TrainOptions extends Omit<TrainingOptions, "afterStep"> {
  folder: string;
  /** Images in memory, or what `openTrainingData` opened, which stays open. */
  images: ImageSet | TrainingData;
  /** Stops after the current step, with a checkpoint. */
  signal?: AbortSignal;
  onProgress?: (progress: TrainingStep) => void;
  /** Called with the state after each of these steps, before their checkpoint and the next step. */
  evaluateAt?: readonly number[];
  onEvaluate?: (state: TrainState, step: number) => Promise<void>;
}

export interface TrainResult {
  state: TrainState;
  /** Steps done: all of them, or fewer when the signal stopped the run. */
  step: number;
  /** The checkpoint of that step. */
  checkpoint: string;
  /** Wall-clock seconds in training steps, in this process. */
  trainSeconds: number;
  /** Median seconds of a step, in this process; NaN when it made none. */
  stepSeconds: number;
}

/**
 * Trains in a run folder until the config's last step, or until the signal stops it.
 * @throws as `training` does
 */
export async function train(config: TrainConfig, options: TrainOptions): Promise<TrainResult> {
  const { images, signal, onProgress, evaluateAt = [], onEvaluate, ...rest } = options;
  const run = training(config, images, {
    ...rest,
    async afterStep(progress) {
      onProgress?.(progress);
      if (evaluateAt.includes(progress.step)) await onEvaluate?.(progress.state, progress.step);
    },
  });
  const steps = run[Symbol.asyncIterator]();
  try {
    let done: boolean | undefined;
    do ({ done } = await steps.next());
    while (!done && !signal?.aborted);
  } finally {
    await steps.return?.();
  }
  const trainSeconds = run.seconds.reduce((sum, s) => sum + s, 0);
  return {
    state: run.state,
    step: run.step,
    checkpoint: run.checkpoint!,
    trainSeconds,
    stepSeconds: median(run.seconds),
  };
}
