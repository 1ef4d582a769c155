export { type Compiled, type JitOptions, type JitStats, jit, type Lowered, profile } from "./jit.ts";
export { loop } from "./loop.ts";
export type { Profile, ProfiledOperator, ProfiledPart, ProfiledProduct } from "./profile.ts";
