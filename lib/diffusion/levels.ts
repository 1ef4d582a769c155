/** How noisy an input is: a time of a SiT, or a step of a DiT. The one is never taken for the other. */
import type { ProcessConfig } from "./process.ts";

/** For a SiT: from 0 (data) to 1 (noise). */
export interface TimeLevel {
  time: number;
  step?: undefined;
}

/** For a DiT: one of its T steps, an integer from 0 to T-1. */
export interface StepLevel {
  step: number;
  time?: undefined;
}

export type NoiseLevel = TimeLevel | StepLevel;

const isTime = (value: unknown): value is number => typeof value === "number" && value >= 0 && value <= 1;

/**
 * The number that a network takes for a noise level.
 * @throws when a DiT is given a time or a SiT a step, naming the right one, or when it is out of range.
 */
export function levelOf(process: ProcessConfig, { time, step }: NoiseLevel): number {
  if (time !== undefined && step !== undefined)
    throw new TypeError(`expected a time or a step, got both: time ${time} and step ${step}`);
  if (process.type === "interpolant") {
    if (isTime(time)) return time;
    const got = step === undefined ? `${time}` : `step ${step}; step 900 of 1000 is { time: 0.9 }`;
    throw new RangeError(`a SiT takes { time }, from 0 (data) to 1 (noise), got ${got}`);
  }
  const { steps } = process;
  if (step !== undefined && Number.isInteger(step) && step >= 0 && step < steps) return step;
  const instead = Math.min(Math.round(Number(time) * steps), steps - 1);
  const got =
    time === undefined ? `${step}` : `time ${time}${isTime(time) ? `; use { step: ${instead} }` : ""}`;
  throw new RangeError(`a DiT takes { step }, an integer from 0 to ${steps - 1}, got ${got}`);
}

/** How far the nearest step of a DiT may be from a noise level. */
const LEVEL_TOLERANCE = 0.01;

/**
 * A noise level t, from 0 to 1, as a process has it: a time of a SiT, and of a DiT of T steps the step t T, the last one
 * for t = 1.
 * @throws where t is out of range, or a DiT has so few steps that none of them is near
 */
export function levelAt(process: ProcessConfig, t: number): NoiseLevel {
  if (!isTime(t)) throw new RangeError(`a noise level is from 0 (data) to 1 (noise), got ${t}`);
  if (process.type === "interpolant") return { time: t };
  const { steps } = process;
  const step = Math.min(Math.round(t * steps), steps - 1);
  if (Math.abs(step / steps - t) > LEVEL_TOLERANCE)
    throw new RangeError(
      `its process of ${steps} steps has none at the probes' noise level ${t}; expected one of step / ${steps}, the nearest is ${step / steps}`,
    );
  return { step };
}

/** An interval between two noise levels: fixed, or uniform in [min, max). */
type LevelInterval = number | readonly [min: number, max: number];

/**
 * What is wrong with an interval, if anything: a SiT's is of times, within [0, 1], a DiT's of whole steps, within its T.
 * `steps` is a DiT's T, or Infinity where only the kind is known.
 */
export function intervalFault(interval: LevelInterval, steps?: number): string | undefined {
  const ends = typeof interval === "number" ? [interval, interval] : interval;
  const [low, high] = ends;
  const most = steps ?? 1;
  if (ends.length !== 2 || !(low >= 0 && high >= low && high <= most)) {
    const range = most === Number.POSITIVE_INFINITY ? "of at least 0" : `within [0, ${most}]`;
    const hint = steps === undefined && high > 1 ? " (times; a DiT's intervals are in steps)" : "";
    return `${range}, ascending${hint}`;
  }
  if (steps !== undefined && !ends.every(Number.isInteger))
    return "whole steps, because a DiT's intervals are not in times: [0, 200] of 1000 is a SiT's [0, 0.2]";
  return undefined;
}
