export { SAMPLERS, type SamplerName } from "./compiled.ts";
export { eulerSampler, eulerSamplerSync, heunSampler, heunSamplerSync, timeSteps } from "./euler.ts";
export {
  type EulerMaruyamaOptions,
  eulerMaruyamaSampler,
  eulerMaruyamaSamplerSync,
  scoreFromVelocity,
} from "./euler-maruyama.ts";
export { type GatherOptions, gatherSamples } from "./gather.ts";
export {
  type DDIMOptions,
  type Denoiser,
  ddimSampler,
  ddimSamplerSync,
  ddpmSampler,
  ddpmSamplerSync,
  type GaussianOptions,
} from "./gaussian.ts";
export {
  checkGenerate,
  type GenerateOptions,
  type SampleGenerator,
  type StepProgress,
  sampleGenerator,
} from "./generate.ts";
export { classVelocity, type Guidance, type VelocityModel } from "./guidance.ts";
export type { SamplerOptions, Velocity } from "./steps.ts";
