export { runComparison } from "./comparison.ts";
export type { Control } from "./controls.ts";
export { type DemoOptions, demoArms, runDemo } from "./demo.ts";
export { loadSmallCnn } from "./feature-network.ts";
export {
  type FeaturePicture,
  type FeaturePicturesOptions,
  featurePictures,
  writeFeaturePicture,
} from "./feature-pictures.ts";
export type { Arm, ComparisonOptions } from "./options.ts";
export { PAPER_PRESETS, PAPER_RESOLUTIONS, paperConfig } from "./paper.ts";
export {
  type EvaluationScale,
  SCALES,
  type Scale,
  type ScaleName,
  scaleConfig,
  scaleSRA,
  withoutClasses,
} from "./presets.ts";
export {
  type BlockNorm,
  type BlockNormsOptions,
  type BlockProbe,
  type BlockProbesOptions,
  type LookOptions,
  type NormMeter,
  normMeter,
  type ProbedWeights,
  probeBlocks,
} from "./probing.ts";
export {
  compareArms,
  type Finding,
  type PairComparison,
  type SeedDifference,
  type Verdict,
} from "./report/findings.ts";
export type { Measure } from "./report/measures.ts";
export type { Pair } from "./report/paired.ts";
export { parseResults, type ReportImages, readImages } from "./report/read.ts";
export { renderReport, writeReport } from "./report/report.ts";
export { summarize } from "./report/sentence.ts";
export type { NumberFormat } from "./report/text.ts";
export type { Reporter } from "./reporter.ts";
export type * from "./results.ts";
export { summaryLines } from "./summary.ts";
