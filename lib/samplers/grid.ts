/** At which times a sampler takes its steps. */
import { type PathPoint, type ProcessConfig, processPath, respacedTimesteps } from "../diffusion/index.ts";
import { checkKnown } from "../schema.ts";

/** How the times of an interpolant are spaced between 1 and 0. */
export interface TimeSpacing {
  /**
   * Of `steps` steps the i-th time is 1 - i/steps (uniform, the default), or (1 + cos(pi i/steps)) / 2 (cosine), whose steps
   * are small at both ends.
   */
  spacing?: "uniform" | "cosine";
  /** s above 0, which moves a time t to s t / (1 + (s-1) t): above 1 towards the noise. Default 1. */
  shift?: number;
  /** Where the last step begins, from 0 to 1: the others lie between 1 and it. Default: spaced as the others. */
  last?: number;
}

/**
 * The times of a sampler: a list of one more than there are steps, descending within [0, 1], or how they are spaced. Of a
 * Gaussian process the steps that it takes: a list, descending, of as many, or a text of `respacedTimesteps`, `ddim50`.
 */
export type Grid = readonly number[] | TimeSpacing | string;

/** `count` + 1 times from `from` to `to`, evenly spaced. */
export const timeSteps = (from: number, to: number, count: number): number[] =>
  Array.from({ length: count + 1 }, (_, i) => from + ((to - from) * i) / count);

export function checkSteps(steps: number, least = 1): void {
  if (!Number.isInteger(steps) || steps < least)
    throw new RangeError(`sampler steps must be an integer of at least ${least}, got ${steps}`);
}

/** Throws unless numbers descend within a range, and are as many as expected. */
function checkList(
  what: string,
  list: readonly number[],
  count: number,
  fits: (value: number) => boolean,
): void {
  if (list.length !== count)
    throw new RangeError(`the grid must list ${count} ${what}, got ${list.length} numbers`);
  const bad = list.findIndex((value, i) => !fits(value) || (i > 0 && value >= list[i - 1]));
  if (bad >= 0)
    throw new RangeError(`the grid must list ${what}, descending, got ${list[bad]} at position ${bad}`);
}

/** Times from 1 to 0 as they are spaced. */
function spacedTimes(count: number, { spacing = "uniform", shift = 1 }: TimeSpacing): number[] {
  if (spacing !== "uniform" && spacing !== "cosine")
    throw new RangeError(`the grid's spacing must be uniform or cosine, got '${spacing}'`);
  if (!(shift > 0 && Number.isFinite(shift)))
    throw new RangeError(`the grid's shift must be a finite number above 0, got ${shift}`);
  const times = timeSteps(1, 0, count);
  const spaced =
    spacing === "uniform" ? times : times.map((t, i) => (i === count ? 0 : (1 - Math.cos(Math.PI * t)) / 2));
  return spaced.map((t) => (shift * t) / (1 + (shift - 1) * t));
}

/**
 * The times of an interpolant's sampler, `steps` + 1 that descend from at most 1 to at least 0.
 * @throws RangeError naming what of the grid does not fit.
 */
export function timeGrid(steps: number, grid: Grid = {}): number[] {
  if (typeof grid === "string")
    throw new RangeError(
      `the grid '${grid}' is one of a Gaussian process; expected times, or how they are spaced`,
    );
  const isList = (given: Grid): given is readonly number[] => Array.isArray(given);
  if (isList(grid)) {
    checkSteps(steps);
    checkList("times within [0, 1]", grid, steps + 1, (t) => t >= 0 && t <= 1);
    return [...grid];
  }
  checkKnown(grid, ["spacing", "shift", "last"] satisfies (keyof TimeSpacing)[], "the grid");
  const { last } = grid;
  checkSteps(steps, last === undefined ? 1 : 2);
  if (last === undefined) return spacedTimes(steps, grid);
  if (!(last > 0 && last < 1))
    throw new RangeError(`the grid's last step must begin at a time between 0 and 1, got ${last}`);
  return [...spacedTimes(steps - 1, grid).map((t) => (t === 0 ? last : 1 + (last - 1) * (1 - t))), 0];
}

/** The steps of a Gaussian process that a sampler takes, descending. */
function takenSteps(steps: number, grid: Grid = String(steps), all: number): number[] {
  checkSteps(steps);
  if (typeof grid !== "string" && !Array.isArray(grid))
    throw new RangeError(
      "the grid of a Gaussian process must be the steps that are taken: a list of them, or a text such as ddim50",
    );
  const taken =
    typeof grid === "string" ? Array.from(respacedTimesteps(grid, all)).reverse() : [...(grid as number[])];
  checkList(`steps from 0 to ${all - 1}`, taken, steps, (t) => Number.isInteger(t) && t >= 0 && t < all);
  return taken;
}

/** The points of a process's path that `steps` steps lead through, one more than steps. */
export function gridPoints(process: ProcessConfig, steps: number, grid?: Grid): PathPoint[] {
  const { at, end } = processPath(process);
  if (process.type === "interpolant") return timeGrid(steps, grid).map(at);
  return [...takenSteps(steps, grid, process.steps).map(at), end];
}
