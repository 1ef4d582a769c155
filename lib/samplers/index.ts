export { eulerSampler, heunSampler, type SamplerOptions, timeSteps, type Velocity } from "./euler.ts";
export { type EulerMaruyamaOptions, eulerMaruyamaSampler, scoreFromVelocity } from "./euler-maruyama.ts";
export {
  type GenerateOptions,
  SAMPLERS,
  type SampleGenerator,
  type SamplerName,
  sampleGenerator,
} from "./generate.ts";
export { classVelocity, type Guidance, type VelocityModel } from "./guidance.ts";
