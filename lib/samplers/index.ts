export { SAMPLERS, type SamplerName } from "./compiled.ts";
export { eulerSampler, heunSampler, type SamplerOptions, timeSteps, type Velocity } from "./euler.ts";
export { type EulerMaruyamaOptions, eulerMaruyamaSampler, scoreFromVelocity } from "./euler-maruyama.ts";
export { type GatherOptions, gatherSamples } from "./gather.ts";
export { type Denoiser, ddimSampler, ddpmSampler, type GaussianOptions } from "./gaussian.ts";
export {
  type GenerateOptions,
  type SampleGenerator,
  type StepProgress,
  sampleGenerator,
} from "./generate.ts";
export { classVelocity, type Guidance, type VelocityModel } from "./guidance.ts";
