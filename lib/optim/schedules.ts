/** Numbers that change over training: learning rate, alignment weight, EMA decay. */
import { count, oneOf, z } from "../schema.ts";

const number = (what: string) => z.number("a number").describe(what);

export const scheduleCurve = z.strictObject({
  from: number("The value until `start`."),
  to: number("The value after `start + steps`."),
  steps: count("Steps that the change takes."),
  shape: oneOf(
    ["linear", "cosine", "exponential"],
    "A line, half a cosine, or a constant factor from step to step.",
  ),
  start: z
    .int("an integer of 0 or more")
    .min(0, "an integer of 0 or more")
    .optional()
    .describe("Steps before the change. Default: 0."),
  hold: count("Steps for which a value is held, for example those of an epoch. Default: 1.").optional(),
});
export type ScheduleCurve = z.infer<typeof scheduleCurve>;

/** A number, a curve, or curves one after the other: of a list, the last that has started holds. */
export const schedule = z.union(
  [z.number(), scheduleCurve, z.array(scheduleCurve).min(1, "a list of at least one curve")],
  "a number, a curve (from, to, steps, shape) or a list of curves",
);
export type Schedule = z.infer<typeof schedule>;

/** The value at a step (from 0): `from` until `start`, then to `to` within `steps`. */
export function scheduleAt(schedule: Schedule, step: number): number {
  if (typeof schedule === "number") return schedule;
  if (Array.isArray(schedule))
    return scheduleAt(schedule.findLast(({ start = 0 }) => start <= step) ?? schedule[0], step);
  const { from, to, steps, shape, start = 0, hold = 1 } = schedule;
  const held = Math.floor(step / hold) * hold;
  const progress = Math.min(Math.max((held - start) / steps, 0), 1);
  if (shape === "exponential") return from * (to / from) ** progress;
  return from + (to - from) * (shape === "linear" ? progress : (1 - Math.cos(Math.PI * progress)) / 2);
}

/** A value in the first `steps` steps, then 0. */
export const until = (value: number, steps: number): Schedule => ({
  from: value,
  to: 0,
  steps: 1,
  shape: "linear",
  start: steps - 1,
});

/** Linear warm-up from 0, then constant. */
export const warmup = (value: number, steps: number): Schedule =>
  steps > 0 ? { from: 0, to: value, steps, shape: "linear" } : value;

/** Linear warm-up from 0 to a value, which then falls to 0 until the last of `total` steps. */
export const warmupAndDecay = (
  value: number,
  warmupSteps: number,
  total: number,
  shape: "linear" | "cosine",
): Schedule => [
  ...(warmupSteps > 0 ? [{ from: 0, to: value, steps: warmupSteps, shape: "linear" as const }] : []),
  { from: value, to: 0, steps: Math.max(1, total - warmupSteps), shape, start: warmupSteps },
];

/** The teacher rule "0.996 -> 1" of the paper's table 6: a cosine over the whole training, as in BYOL and DINO. */
export const cosineEma = (steps: number, from = 0.996): Schedule => ({ from, to: 1, steps, shape: "cosine" });
