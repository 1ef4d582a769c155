export type { Segment } from "./compiled.ts";
export type { DDIMSettings } from "./ddim.ts";
export type { Churn, EDMSettings } from "./edm.ts";
export { type GatherOptions, type GatherPart, gatherSamples } from "./gather.ts";
export {
  checkGenerate,
  type DrawnOptions,
  type GenerateOptions,
  type SampleGenerator,
  type StepProgress,
  sampleGenerator,
} from "./generate.ts";
export { type Grid, type TimeSpacing, timeGrid, timeSteps } from "./grid.ts";
export type { Guidance } from "./guidance.ts";
export type { NoiseOptions } from "./noise.ts";
export type { SamplerSchedule } from "./plan.ts";
export {
  type Against,
  type ConditionalModel,
  type NetworkPredictorOptions,
  networkPredictor,
  type PredictorOptions,
  predictor,
  type Sampleable,
  type WeakerModel,
} from "./predictor.ts";
export { type Predict, type Sampled, type SampleOptions, sample, sampleSync } from "./sample.ts";
export {
  defineSampler,
  type Lifted,
  type Question,
  type Sampler,
  type SamplerState,
  type SamplerStep,
  type StepNumber,
  type StepNumbers,
  type Stretch,
} from "./sampler.ts";
export { SAMPLERS, type SamplerChoice, type SamplerName, type SamplerSettings } from "./samplers.ts";
