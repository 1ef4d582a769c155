export { type Estimates, estimates, scoreFromVelocity } from "./estimates.ts";
export {
  BETA_SCHEDULES,
  type BetaSchedule,
  betaSchedule,
  type GaussianConfig,
  type GaussianDiffusion,
  gaussianDiffusion,
  noisedAt,
  respace,
  respacedTimesteps,
} from "./gaussian.ts";
export { hybridLoss } from "./hybrid-loss.ts";
export {
  type Coefficients,
  drawTimes,
  INTERPOLANTS,
  type InterpolantName,
  interpolantCoefficients,
  interpolate,
  TIME_DISTRIBUTIONS,
  type TimeDistribution,
  velocityTarget,
} from "./interpolants.ts";
export {
  levelOf,
  type NoiseLevel,
  type StepLevel,
  type TimeLevel,
} from "./levels.ts";
export { type PathPoint, type PathWeights, type ProcessPath, processPath } from "./path.ts";
export {
  DIT_PROCESS,
  drawSteps,
  type InterpolantConfig,
  makeProcess,
  type NoisedBatch,
  type Process,
  type ProcessConfig,
  SIT_PROCESS,
} from "./process.ts";
