/** The steps of a sampler in numbers, with all that is wrong with its options refused. */
import { type ProcessConfig, processPath } from "../diffusion/index.ts";
import { type Grid, gridPoints } from "./grid.ts";
import type { Sampler, State, StepNumbers } from "./sampler.ts";
import { SAMPLERS, type SamplerName, type SamplerSettings, samplers } from "./samplers.ts";

export interface SamplerSchedule {
  /** Number of steps, at least 1. */
  steps: number;
  /** At which times. Default: the sampler's own, evenly spaced ones for most. */
  grid?: Grid;
}

export interface PlannedStep {
  numbers: StepNumbers;
  /** The share of the path, from 0 (data) to 1, that lies before the step: guidance is switched by it. */
  begins: number;
}

/** All samplers, whatever their states, numbers and options. */
const registry: Readonly<Record<string, Sampler<State, StepNumbers, SamplerSettings>>> = samplers;

const fits = (name: string, { type }: ProcessConfig): boolean =>
  registry[name].processes?.includes(type) ?? true;

/** The sampler of a name. @throws where there is none, or it is not one for a process. */
export function samplerFor(
  name: SamplerName,
  process: ProcessConfig,
): Sampler<State, StepNumbers, SamplerSettings> {
  if (!SAMPLERS.includes(name))
    throw new Error(`unknown sampler '${name}'; expected one of ${SAMPLERS.join(", ")}`);
  if (!fits(name, process)) {
    const kind = process.type === "gaussian" ? "a Gaussian process" : "an interpolant";
    const others = SAMPLERS.filter((other) => fits(other, process));
    throw new Error(`sampler '${name}' is not one for ${kind}; expected ${others.join(", ")}`);
  }
  return registry[name];
}

const takes = (name: SamplerName, setting: string): boolean =>
  registry[name].settings?.includes(setting) ?? false;

/** Throws on an option that another sampler takes, or whose value means nothing. */
function checkSettings(name: SamplerName, options: SamplerSchedule & SamplerSettings): void {
  for (const [setting, value] of Object.entries(options)) {
    const owner = SAMPLERS.find((other) => takes(other, setting));
    if (value === undefined || owner === undefined || takes(name, setting)) continue;
    throw new Error(
      `${setting} is an option of the sampler '${owner}'; got ${setting} ${JSON.stringify(value)} for '${name}'`,
    );
  }
  registry[name].check?.(options);
}

/** The steps of a sampler on a process's path, from its noisiest on. */
export function planSteps(
  name: SamplerName,
  process: ProcessConfig,
  options: SamplerSchedule & SamplerSettings,
): PlannedStep[] {
  const sampler = samplerFor(name, process);
  checkSettings(name, options);
  const { steps, grid = sampler.grid } = options;
  const path = processPath(process);
  const points = gridPoints(process, steps, grid);
  return Array.from({ length: steps }, (_, i) => {
    const [from, to, previous] = [points[i], points[i + 1], points[i - 1]];
    return {
      numbers: sampler.numbers({ from, to, previous, path, steps }, options),
      begins: path.share(from.t),
    };
  });
}
