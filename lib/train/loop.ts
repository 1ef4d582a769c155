/** A whole run in a folder, with what happens beside its steps. */
import type { ImageSet, TrainingData } from "../data/index.ts";
import type { TrainConfig } from "./config.ts";
import type { TrainingStep } from "./one-step.ts";
import { median } from "./recorder.ts";
import type { TrainState } from "./step.ts";
import { type TrainingOptions, training } from "./training.ts";

export interface TrainOptions extends TrainingOptions {
  folder: string;
  /** Images in memory, or what `openTrainingData` opened, which stays open. */
  images: ImageSet | TrainingData;
  /** Stops after the current step, with a checkpoint. */
  signal?: AbortSignal;
  /** Called after each step; a promise is waited for. */
  onProgress?: (progress: TrainingStep) => unknown;
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
  const { images, signal, onProgress, ...rest } = options;
  const run = training(config, images, rest);
  if (signal?.aborted) run.stop();
  signal?.addEventListener("abort", run.stop);
  try {
    for await (const progress of run) await onProgress?.(progress);
  } finally {
    signal?.removeEventListener("abort", run.stop);
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
