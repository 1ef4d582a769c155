/** All samplers by their names. */
import { type DDIMSettings, ddim } from "./ddim.ts";
import { ddpm } from "./ddpm.ts";
import { dpmSolver } from "./dpm-solver.ts";
import { type EDMSettings, edm } from "./edm.ts";
import { euler } from "./euler.ts";
import { eulerMaruyama } from "./euler-maruyama.ts";
import { heun } from "./heun.ts";
import type { Sampler } from "./sampler.ts";

export const samplers = {
  euler,
  heun,
  "euler-maruyama": eulerMaruyama,
  ddpm,
  ddim,
  "dpm-solver++": dpmSolver,
  edm,
};

export type SamplerName = keyof typeof samplers;
/** A sampler by its name, or one of one's own. */
export type SamplerChoice = SamplerName | Sampler;
export const SAMPLERS = Object.keys(samplers) as SamplerName[];

/** The options that some samplers alone take. */
export interface SamplerSettings extends DDIMSettings, EDMSettings {}
