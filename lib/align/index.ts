export type { AttentionConfig } from "./attention.ts";
export { type ContrastiveConfig, withoutInterference } from "./contrastive.ts";
export { type DispersiveConfig, dispersion } from "./dispersive.ts";
export {
  DISTANCES,
  type DistanceName,
  type DistanceOptions,
  featureDistance,
  meanCosine,
} from "./distances.ts";
export { DTS_AS_DEFAULTS, type DTSASConfig } from "./dts-as.ts";
export { groupSizes } from "./groups.ts";
export type { LayerSyncConfig } from "./layersync.ts";
export type {
  AddedParameters,
  Batch,
  Fault,
  Method,
  Setting,
  Sight,
  StudentView,
  TeacherView,
} from "./method.ts";
export { type MethodConfig, makeMethod, methodConfig } from "./methods.ts";
export {
  type Blocks,
  defaultBlocks,
  METHOD_NAMES,
  type MethodName,
  methodPreset,
  paperSRA,
  referenceAlignWeight,
  refitted,
  type Trained,
} from "./presets.ts";
export type { REPAConfig } from "./repa.ts";
export type { SelfFlowConfig } from "./self-flow.ts";
export type { LatentGuidanceConfig, SelfTranscendenceConfig } from "./self-transcendence.ts";
export { projectionHead, SRA_DEFAULTS, type SRAConfig } from "./sra.ts";
export type { SRA2Config } from "./sra2.ts";
