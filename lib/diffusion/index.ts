export {
  BETA_SCHEDULES,
  type BetaSchedule,
  betaSchedule,
  type GaussianDiffusion,
  gaussianDiffusion,
  respace,
  respacedTimesteps,
} from "./gaussian.ts";
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
