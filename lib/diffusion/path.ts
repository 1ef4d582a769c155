/** The path of a process in numbers: at each of its points x = alpha data + sigma noise. Double precision. */
import { betaSchedule, type GaussianConfig, gaussianDiffusion } from "./gaussian.ts";
import type { InterpolantName } from "./interpolants.ts";
import type { InterpolantConfig, ProcessConfig } from "./process.ts";

/** Weights of data and noise in x, and their derivatives in time. */
export interface PathWeights<N> {
  alpha: N;
  sigma: N;
  dAlpha: N;
  dSigma: N;
}

/** A point of a path. Its numbers are plain ones, or tensors within a compiled loop. */
export interface PathPoint<N = number> extends PathWeights<N> {
  /** What the network is told: a time from 0 (data) to 1 (noise), or one of the T steps, from 0 to T-1. */
  t: N;
  /**
   * The time that velocities are rates of: of an interpolant t itself. A Gaussian process, of which only steps are known,
   * is a circle: its time is the angle whose cosine is alpha, from 0 to pi/2, so that v = alpha noise - sigma data.
   */
  time: N;
}

export interface ProcessPath {
  /** The point of what the network is told; a step may lie between two whole ones. */
  at(t: number): PathPoint;
  /** The point where sigma/alpha is a ratio above 0; where there is none that noisy, the noisiest. */
  ofRatio(ratio: number): PathPoint;
  /** Where there is no noise left. */
  readonly end: PathPoint;
  /** The share of the path that lies between its end and what the network is told, from 0 to 1. */
  share(t: number): number;
}

const HALF_TURN = Math.PI / 2;

function interpolantPoint(path: InterpolantName, t: number): PathPoint {
  if (path === "linear") return { t, time: t, alpha: 1 - t, sigma: t, dAlpha: -1, dSigma: 1 };
  const angle = HALF_TURN * t;
  // The cosine of the float nearest to a right angle is not quite 0.
  const [alpha, sigma] = t === 1 ? [0, 1] : [Math.cos(angle), Math.sin(angle)];
  return { t, time: t, alpha, sigma, dAlpha: -HALF_TURN * sigma, dSigma: HALF_TURN * alpha };
}

const interpolantPath = ({ path }: InterpolantConfig): ProcessPath => ({
  at: (t) => interpolantPoint(path, t),
  ofRatio: (ratio) =>
    interpolantPoint(path, path === "linear" ? ratio / (1 + ratio) : Math.atan(ratio) / HALF_TURN),
  end: interpolantPoint(path, 0),
  share: (t) => t,
});

/** The point of a circle at which sigma/alpha is a ratio. */
function circlePoint(t: number, ratio: number): PathPoint {
  const alpha = 1 / Math.hypot(1, ratio);
  const sigma = ratio * alpha;
  return { t, time: Math.atan(ratio), alpha, sigma, dAlpha: -sigma, dSigma: alpha };
}

function gaussianPath({ schedule, steps }: GaussianConfig): ProcessPath {
  const { alphasCumprod } = gaussianDiffusion(betaSchedule(schedule, steps));
  const logRatios = alphasCumprod.map((alpha) => Math.log((1 - alpha) / alpha) / 2);
  // Between two steps the logarithm of sigma/alpha is taken to be straight.
  const at = (t: number): PathPoint => {
    const before = Math.floor(t);
    const [low, high] = [logRatios[before], logRatios[Math.min(before + 1, steps - 1)]];
    return circlePoint(t, Math.exp(low + (high - low) * (t - before)));
  };
  return {
    at,
    ofRatio(ratio) {
      const wanted = Math.log(ratio);
      const after = logRatios.findIndex((logRatio) => logRatio >= wanted);
      if (after < 0) return at(steps - 1);
      if (after === 0) return circlePoint(0, ratio);
      const [low, high] = [logRatios[after - 1], logRatios[after]];
      return circlePoint(after - 1 + (wanted - low) / (high - low), ratio);
    },
    end: circlePoint(-1, 0),
    share: (t) => t / steps,
  };
}

/** The path of a process. */
export const processPath = (config: ProcessConfig): ProcessPath =>
  config.type === "gaussian" ? gaussianPath(config) : interpolantPath(config);
