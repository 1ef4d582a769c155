/** The steps of a sampler in numbers, with all that is wrong with its options refused. */
import { type ProcessConfig, processPath } from "../diffusion/index.ts";
import { checkKnown } from "../schema.ts";
import { type Grid, gridPoints } from "./grid.ts";
import type { Sampler, SamplerState, StepNumbers } from "./sampler.ts";
import {
  SAMPLERS,
  type SamplerChoice,
  type SamplerName,
  type SamplerSettings,
  samplers,
} from "./samplers.ts";

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

/** A sampler, whatever its state, numbers and options. */
type AnySampler = Sampler<SamplerState, StepNumbers, SamplerSettings>;
const registry: Readonly<Record<SamplerName, AnySampler>> = samplers;

const fits = ({ processes }: AnySampler, { type }: ProcessConfig): boolean =>
  processes?.includes(type) ?? true;

/** What errors call a sampler. */
export const samplerName = (sampler: SamplerChoice): string =>
  typeof sampler === "string" ? sampler : (sampler.name ?? "of one's own");

/** The definition of a sampler. @throws where there is none, or it is not one for a process. */
export function samplerFor(sampler: SamplerChoice, process: ProcessConfig): AnySampler {
  const found = typeof sampler === "string" ? registry[sampler] : sampler;
  if (typeof found?.numbers !== "function" || typeof found.step !== "function")
    throw new Error(
      `unknown sampler '${typeof sampler === "string" ? sampler : JSON.stringify(sampler)}'; expected one of ${SAMPLERS.join(", ")}, or one that defineSampler made`,
    );
  if (!fits(found, process)) {
    const kind = process.type === "gaussian" ? "a Gaussian process" : "an interpolant";
    const others = SAMPLERS.filter((other) => fits(registry[other], process));
    throw new Error(
      `sampler '${samplerName(sampler)}' is not one for ${kind}; expected ${others.join(", ")}`,
    );
  }
  return found;
}

const takes = ({ settings = [] }: AnySampler, setting: string): boolean => settings.includes(setting);

/** Throws on an option that nobody takes, that another sampler takes, or whose value means nothing. */
function checkSettings(
  sampler: SamplerChoice,
  definition: AnySampler,
  options: SamplerSchedule & SamplerSettings,
  common: readonly string[],
): void {
  for (const [setting, value] of Object.entries(options)) {
    const owner = SAMPLERS.find((other) => takes(registry[other], setting));
    if (value === undefined || owner === undefined || takes(definition, setting)) continue;
    throw new Error(
      `${setting} is an option of the sampler '${owner}'; got ${setting} ${JSON.stringify(value)} for '${samplerName(sampler)}'`,
    );
  }
  const settings = [definition, ...Object.values(registry)].flatMap(({ settings = [] }) => settings);
  checkKnown(options, [...new Set([...common, ...settings])], "sampler options");
  definition.check?.(options);
}

/**
 * The steps of a sampler on a process's path, from its noisiest on. `common` are the names of options that are not the
 * sampler's own.
 */
export function planSteps(
  choice: SamplerChoice,
  process: ProcessConfig,
  options: SamplerSchedule & SamplerSettings,
  common: readonly string[] = ["steps", "grid"] satisfies (keyof SamplerSchedule)[],
): PlannedStep[] {
  const sampler = samplerFor(choice, process);
  checkSettings(choice, sampler, options, common);
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
