export { type BatchOptions, type BatchSource, batchSource, neededArrays } from "./batches.ts";
export type { CheckpointOptions, Metrics } from "./checkpoint.ts";
export {
  type Checkpoint,
  latestCheckpoint,
  readCheckpoint,
  writeCheckpoint,
} from "./checkpoint.ts";
export { listCheckpoints } from "./checkpoint-files.ts";
export { compileRuns, compileStep, type Share, type StepArguments } from "./compile.ts";
export {
  checkTrainConfig,
  TRAIN_DEFAULTS,
  type TrainConfig,
  type TransformerTrainConfig,
} from "./config.ts";
export { type Cut, type CutOptions, cutBatch } from "./cut.ts";
export { currentConfig } from "./legacy.ts";
export { type TrainOptions, type TrainResult, train } from "./loop.ts";
export {
  type Gradients,
  gradientsOf,
  type Losses,
  type LossOptions,
  lossesOf,
  targetsOf,
  toldCondition,
} from "./losses.ts";
export { makeTask, type TaskConfig } from "./make-task.ts";
export { microBatchesFor } from "./micro-batches.ts";
export { createMonitor, growthWatch, type Monitor, type MonitorEntry } from "./monitor.ts";
export { scalarsAt, type TrainingStep } from "./one-step.ts";
export type { OwnParts } from "./own-parts.ts";
export { measureStep, planTraining, type TrainPlan } from "./plan.ts";
export type { LogEntry } from "./recorder.ts";
export { readReferenceState, writeReferenceState } from "./reference.ts";
export type { DataSource } from "./run-folder.ts";
export type { Decode } from "./sample-grids.ts";
export type { Shards } from "./shards.ts";
export {
  accumulateGradients,
  applyGradients,
  initTrainState,
  noGradients,
  type StepMetrics,
  type StepOptions,
  type StepResult,
  type StepScalars,
  type StudentAndTeacher,
  type TrainState,
  trainStep,
} from "./step.ts";
export { syntheticBatch, syntheticScalars } from "./synthetic.ts";
export { headShapes, initTask, type Task, taskShapes } from "./task.ts";
export { readTeacher } from "./teacher.ts";
export { type EventFile, openEventFile } from "./tensorboard.ts";
export { type Training, type TrainingOptions, training } from "./training.ts";
