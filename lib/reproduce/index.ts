export { allExperiments, experimentsNamed, withRows } from "./catalogue.ts";
export { type Cost, costOf } from "./costs.ts";
export type {
  Cell,
  Claim,
  Column,
  Experiment,
  ModelSetting,
  PictureRow,
  Reading,
  ReleasedRow,
  Row,
  Sizes,
} from "./experiment.ts";
export type { Family, PaperSRA, Size } from "./paper.ts";
export type { PictureResult } from "./pictures.ts";
export { type PlannedSeed, planReproduction, type ReproductionPlan, type Wanted } from "./plan.ts";
export {
  type Distribute,
  type ReproduceOptions,
  type Reproduction,
  type RunIdentity,
  reproduce,
} from "./reproduce.ts";
export type { CellResult, ClaimResult, ExperimentOutcome, RowResult } from "./result.ts";
export type { RunJob } from "./run-job.ts";
export type { ConfigOf, PlannedRun } from "./runs.ts";
export {
  fullConfig,
  PAPER_SIZES,
  SMALL_SCALES,
  type SmallScale,
  smallConfig,
  type TrainedOn,
} from "./scales.ts";
export { kendallTau, tauOverSeeds } from "./tau.ts";
