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
