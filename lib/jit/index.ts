export { type Compiled, type JitOptions, type JitStats, jit, type Lowered } from "./jit.ts";
export { loop } from "./loop.ts";
export type { Profile, ProfiledOperator, ProfiledProduct } from "./profile.ts";
