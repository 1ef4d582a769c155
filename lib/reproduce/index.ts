export { allExperiments, experimentsNamed, withRows } from "./catalogue.ts";
export { type Cost, costOf } from "./costs.ts";
export type { Cell, Claim, Column, Experiment, Reading, Row, Setting, Sizes } from "./experiment.ts";
export { type PlannedSeed, planReproduction, type ReproductionPlan, type Wanted } from "./plan.ts";
export { type ReproduceOptions, type Reproduction, reproduce } from "./reproduce.ts";
export type { CellResult, ClaimResult, RowResult } from "./result.ts";
export { fullConfig, PAPER_SIZES, SMALL_SCALES, type SmallScale, smallConfig } from "./scales.ts";
export { kendallTau, tauOverSeeds } from "./tau.ts";
