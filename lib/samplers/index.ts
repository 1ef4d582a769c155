export { eulerSampler, heunSampler, type SamplerOptions, timeSteps, type Velocity } from "./euler.ts";
export { type EulerMaruyamaOptions, eulerMaruyamaSampler, scoreFromVelocity } from "./euler-maruyama.ts";
export { classVelocity, type Guidance, type VelocityModel } from "./guidance.ts";
