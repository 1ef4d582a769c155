export { batchSource } from "./batches.ts";
export {
  type Checkpoint,
  latestCheckpoint,
  listCheckpoints,
  readCheckpoint,
  writeCheckpoint,
} from "./checkpoint.ts";
export { compileRuns, compileStep } from "./compile.ts";
export { checkTrainConfig, type TrainConfig } from "./config.ts";
export {
  type LogEntry,
  type TrainOptions,
  type TrainProgress,
  type TrainResult,
  train,
} from "./loop.ts";
export { microBatchesFor } from "./micro-batches.ts";
export { measureStep, planTraining, type TrainPlan } from "./plan.ts";
export { readReferenceState, writeReferenceState } from "./reference.ts";
export type { DataSource } from "./run-folder.ts";
export {
  accumulateGradients,
  applyGradients,
  type Gradients,
  initTrainState,
  noGradients,
  type RunsConfig,
  type StepConfig,
  type StepMetrics,
  type StepScalars,
  sraGradients,
  type TrainState,
  trainStep,
} from "./step.ts";
export { syntheticBatch, syntheticScalars } from "./synthetic.ts";
export { type EventFile, openEventFile } from "./tensorboard.ts";
