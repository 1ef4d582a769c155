export { DeviceLostError } from "./device-lost.ts";
export { type Compiled, type JitOptions, type JitStats, jit, type LowerOptions, profile } from "./jit.ts";
export { loop } from "./loop.ts";
export type { Lowered } from "./lower.ts";
export type { GraphMemory } from "./memory.ts";
export type { PlannedKernel, PlanSummary } from "./plan/summary.ts";
export type { Profile, ProfiledOperator, ProfiledPart, ProfiledProduct } from "./profile-types.ts";
export type { ProgramStats } from "./program.ts";
export type { TargetName } from "./targets/index.ts";
