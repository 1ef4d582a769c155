/** Numbers that change over training: learning rate, alignment weight, EMA decay. */

export type Schedule = number | ScheduleCurve;

export interface ScheduleCurve {
  from: number;
  to: number;
  steps: number;
  /** A line, half a cosine, or a constant factor from step to step. */
  shape: "linear" | "cosine" | "exponential";
  /** Steps before the change. Default: 0. */
  start?: number;
  /** Steps for which a value is held, for example those of an epoch. Default: 1. */
  hold?: number;
}

/** The value at a step (from 0): `from` until `start`, then to `to` within `steps`. */
export function scheduleAt(schedule: Schedule, step: number): number {
  if (typeof schedule === "number") return schedule;
  const { from, to, steps, shape, start = 0, hold = 1 } = schedule;
  const held = Math.floor(step / hold) * hold;
  const progress = Math.min(Math.max((held - start) / steps, 0), 1);
  if (shape === "exponential") return from * (to / from) ** progress;
  return from + (to - from) * (shape === "linear" ? progress : (1 - Math.cos(Math.PI * progress)) / 2);
}

/** Linear warm-up from 0, then constant. */
export const warmup = (value: number, steps: number): Schedule =>
  steps > 0 ? { from: 0, to: value, steps, shape: "linear" } : value;

/** The teacher rule "0.996 -> 1" of the paper's table 6: a cosine over the whole training, as in BYOL and DINO. */
export const cosineEma = (steps: number, from = 0.996): Schedule => ({ from, to: 1, steps, shape: "cosine" });
