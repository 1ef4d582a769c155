export { ADAMW_DEFAULTS, type AdamWConfig, type AdamWState, adamW, initAdamW } from "./adamw.ts";
export { clipByGlobalNorm, clipFactor, globalNorm } from "./clip.ts";
export { updateEma } from "./ema.ts";
export { initLossScale, type LossScale } from "./loss-scale.ts";
export { cosineEma, type Schedule, type ScheduleCurve, scheduleAt, until, warmup } from "./schedules.ts";
