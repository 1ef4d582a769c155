export { DISTANCES, type DistanceName, type DistanceOptions, featureDistance } from "./distances.ts";
export { paperSRA, referenceAlignWeight } from "./paper.ts";
export {
  drawIntervals,
  dropLabels,
  type LossOptions,
  projectionHead,
  SRA_DEFAULTS,
  type SRABatch,
  type SRAConfig,
  type SRALosses,
  sraLosses,
  teacherFeatures,
} from "./sra.ts";
