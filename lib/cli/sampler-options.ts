/** The options of `ditlab sample`, and what of a sampler they ask for. */
import type { InterpolantName } from "../diffusion/index.ts";
import type { WeightsName } from "../io/index.ts";
import type { PipelineSampleOptions } from "../pipeline/index.ts";
import type { Grid, SamplerName } from "../samplers/index.ts";

export interface SampleOptions {
  checkpoint?: string;
  model?: string;
  vae?: string;
  interpolant: InterpolantName;
  count?: number;
  first: number;
  class?: number[];
  labels?: string;
  captions?: string;
  prompt?: string[];
  encoder?: string;
  seeds?: number[];
  sampler?: SamplerName | keyof typeof MODES;
  steps: number;
  times?: number[];
  timeSpacing?: "uniform" | "cosine";
  timeShift?: number;
  lastTime?: number;
  respacing?: string;
  guidance: number;
  guidanceInterval: [number, number];
  guidedChannels?: number;
  weaker?: string;
  weakerModel?: string;
  eta?: number;
  churn?: number;
  churnNoise?: number;
  churnInterval?: number[];
  weights: WeightsName;
  seed: number;
  batchSize: number;
  emaDecay?: number;
  out: string;
  grid?: string;
  png?: string;
  json?: boolean;
}

/** What the reference calls its samplers. */
export const MODES = { sde: "euler-maruyama", ode: "euler" } as const;

/** The sampler that is asked for, by its own name. */
const samplerOf = ({ sampler }: SampleOptions): SamplerName | undefined =>
  sampler !== undefined && sampler in MODES
    ? MODES[sampler as keyof typeof MODES]
    : (sampler as SamplerName | undefined);

/** The times that options ask for, in one of the three ways. */
function gridOf({ times, timeSpacing, timeShift, lastTime, respacing }: SampleOptions): Grid | undefined {
  const spaced = {
    ...(timeSpacing !== undefined && { spacing: timeSpacing }),
    ...(timeShift !== undefined && { shift: timeShift }),
    ...(lastTime !== undefined && { last: lastTime }),
  };
  const given = [times, respacing, Object.keys(spaced).length > 0 ? spaced : undefined].filter(
    (grid) => grid !== undefined,
  );
  if (given.length > 1)
    throw new Error(
      "--times, --respacing and how times are spaced (--time-spacing, --time-shift, --last-time) each say which steps are taken; expected one of them",
    );
  return given[0];
}

/** What of a sampler the options ask for. */
export function samplerOptions(options: SampleOptions): PipelineSampleOptions {
  const { steps, eta, churn, churnNoise, churnInterval, guidance, guidanceInterval, guidedChannels } =
    options;
  const [low, high] = churnInterval ?? [];
  if (churnInterval && churnInterval.length !== 2)
    throw new Error(`--churn-interval takes two ratios, got ${churnInterval.length}`);
  if (churn === undefined && (churnNoise ?? churnInterval) !== undefined)
    throw new Error("--churn-noise and --churn-interval say how noise is added; expected --churn, too");
  return {
    sampler: samplerOf(options),
    steps,
    grid: gridOf(options),
    guidance: {
      scale: guidance,
      interval: guidanceInterval,
      ...(guidedChannels && { channels: guidedChannels }),
    },
    ...(eta !== undefined && { eta }),
    ...(churn !== undefined && {
      churn: {
        amount: churn,
        ...(churnNoise !== undefined && { noise: churnNoise }),
        ...(churnInterval && { interval: [low, high] as const }),
      },
    }),
  };
}
