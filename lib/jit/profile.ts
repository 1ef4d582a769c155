/** Where the time of a compiled function goes: by part, operator and matrix product. */
import type { GraphMemory } from "./memory.ts";
import type { Profile } from "./profile-types.ts";
import { profileHtml, profileText } from "./profile-view.ts";

/** What ran: an operator, or a kernel of several. */
export interface ProfileEvent {
  /** The part of the model that it belongs to, as `partOf` has it. */
  part: string;
  operator: string;
  seconds: number;
  /** Floating-point operations of the matrix product or convolution, if it is one. */
  flops: number;
  /** The factors' shapes. */
  shapes: string;
}

/** One run of a program, recorded by its target. */
export interface RecordedRun {
  events: readonly ProfileEvent[];
  memory(): GraphMemory;
}

/** A scope without the numbers of layers. */
export const partOf = (scope: string): string => scope.replace(/\.\d+(?=\/|$)/g, "");

/** Two factors as `2048x384 384x1536`. */
export const shapesText = (inputs: readonly (readonly number[])[]): string =>
  inputs
    .slice(0, 2)
    .map((shape) => shape.slice(shape.length > 2 && shape[0] === 1 ? 1 : 0).join("x"))
    .join(" ");

/** Adds up events by a key, longest first. */
function total(
  events: readonly ProfileEvent[],
  keyOf: (event: ProfileEvent) => string,
): { key: string; calls: number; seconds: number; flops: number; first: ProfileEvent }[] {
  const sums = new Map<string, ReturnType<typeof total>[number]>();
  for (const event of events) {
    const key = keyOf(event);
    const sum = sums.get(key) ?? { key, calls: 0, seconds: 0, flops: 0, first: event };
    sum.calls++;
    sum.seconds += event.seconds;
    sum.flops += event.flops;
    sums.set(key, sum);
  }
  return [...sums.values()].sort((a, b) => b.seconds - a.seconds);
}

const secondsOf = ({ events }: RecordedRun): number => events.reduce((sum, { seconds }) => sum + seconds, 0);

/** What several runs say of the median one. */
export function profileOf(name: string, runs: readonly RecordedRun[]): Profile {
  const run = [...runs].sort((a, b) => secondsOf(a) - secondsOf(b))[runs.length >> 1];
  const { events } = run;
  const products = events.filter(({ flops }) => flops > 0);
  const profile = {
    name,
    seconds: secondsOf(run),
    nodes: events.length,
    flops: products.reduce((sum, { flops }) => sum + flops, 0),
    memory: run.memory(),
    parts: total(events, ({ part }) => part).map(({ key, calls, seconds }) => ({
      part: key,
      calls,
      seconds,
    })),
    operators: total(events, ({ operator }) => operator).map(({ key, calls, seconds }) => ({
      operator: key,
      calls,
      seconds,
    })),
    products: total(products, ({ operator, shapes }) => `${operator} ${shapes}`).map(
      ({ first: { operator, shapes }, calls, seconds, flops }) => ({
        operator,
        shapes,
        calls,
        seconds,
        gflops: flops / seconds / 1e9,
      }),
    ),
  };
  // Not among the properties: a profile is data, and is written as JSON.
  return Object.defineProperties(profile as Profile, {
    toString: { value: () => profileText(profile) },
    toHtml: { value: () => profileHtml(profile) },
    [Symbol.for("Jupyter.display")]: {
      value: () => ({ "text/plain": profileText(profile), "text/html": profileHtml(profile) }),
    },
  });
}
