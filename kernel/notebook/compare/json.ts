/** JSON by its values, and plotly figures by their traces, their layout and their frames. */
import { linesAgree, numbersAgree, type Tolerance } from "./numbers.ts";
import type { Rules } from "./text.ts";
import { steady } from "./volatile.ts";

/** Figures keep six digits, of which the last may be rounded the other way. */
const FIGURES = 1e-5;
/** Most differences that are told. */
const MOST = 8;

type Json = Record<string, unknown>;

/** What plotly's types of numbers are in memory. */
const ARRAYS = {
  f4: Float32Array,
  f8: Float64Array,
  i1: Int8Array,
  u1: Uint8Array,
  i2: Int16Array,
  u2: Uint16Array,
  i4: Int32Array,
  u4: Uint32Array,
};

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null;

/** The numbers of an array that plotly has in base64; other values as they are. */
function decoded(value: unknown): unknown {
  if (!isObject(value) || typeof value.bdata !== "string" || typeof value.dtype !== "string") return value;
  const Type = ARRAYS[value.dtype as keyof typeof ARRAYS];
  const bytes = Uint8Array.from(Buffer.from(value.bdata, "base64"));
  if (!Type || bytes.length % Type.BYTES_PER_ELEMENT !== 0) return value;
  return Array.from(new Type(bytes.buffer));
}

const text = (value: unknown): string => {
  const json = value === undefined ? "nothing" : JSON.stringify(value);
  return json.length > 80 ? `${json.slice(0, 79)}…` : json;
};

const isNumber = (value: unknown): value is number => typeof value === "number";

/** The size of a list's numbers, to which their differences are relative. */
function scaleOf(values: readonly unknown[]): number | undefined {
  let most = 0;
  for (const value of values) {
    if (isNumber(value) && Number.isFinite(value)) most = Math.max(most, Math.abs(value));
    else if (value !== null) return undefined;
  }
  return most;
}

interface Comparison {
  readonly rules: Rules;
  /** Whether it is a figure: its lists of numbers are seen at one scale. */
  readonly figure: boolean;
  readonly differences: string[];
}

function sameNumbers(
  expected: number,
  actual: number,
  { rules, figure }: Comparison,
  scale?: number,
): boolean {
  const whole = Number.isInteger(expected) && Number.isInteger(actual);
  if (rules.tolerance === undefined && whole) return expected === actual;
  const tolerance: Tolerance = rules.tolerance ?? (figure ? FIGURES : undefined);
  return numbersAgree(expected, actual, tolerance, figure ? scale : undefined);
}

function compare(theirs: unknown, ours: unknown, path: string, c: Comparison, scale?: number): void {
  if (c.differences.length >= MOST) return;
  const [expected, actual] = [decoded(theirs), decoded(ours)];
  const tell = (): void => {
    c.differences.push(`${path}: ${text(expected)} expected, ${text(actual)} came`);
  };
  if (isNumber(expected) && isNumber(actual)) {
    if (!sameNumbers(expected, actual, c, scale)) tell();
  } else if (typeof expected === "string" && typeof actual === "string") {
    const { ignore, tolerance } = c.rules;
    if (!linesAgree(steady(expected, ignore), steady(actual, ignore), tolerance)) tell();
  } else if (Array.isArray(expected) && Array.isArray(actual)) {
    if (expected.length !== actual.length)
      c.differences.push(`${path}: ${expected.length} values expected, ${actual.length} came`);
    else {
      const size = c.figure ? scaleOf(expected) : undefined;
      for (const [i, value] of expected.entries()) compare(value, actual[i], `${path}[${i}]`, c, size);
    }
  } else if (isObject(expected) && isObject(actual) && Array.isArray(expected) === Array.isArray(actual)) {
    for (const key of new Set([...Object.keys(expected), ...Object.keys(actual)]))
      compare(expected[key], actual[key], path === "" ? key : `${path}.${key}`, c);
  } else if (expected !== actual) tell();
}

function differences(expected: unknown, actual: unknown, rules: Rules, figure: boolean): string[] {
  const comparison: Comparison = { rules, figure, differences: [] };
  compare(expected, actual, "", comparison);
  return comparison.differences;
}

export const diffOfJson = (expected: unknown, actual: unknown, rules: Rules): string[] =>
  differences(expected, actual, rules, false);

/** How a figure is drawn and what stands at its axes; not how its tool bar is configured. */
export function diffOfFigures(expected: unknown, actual: unknown, rules: Rules): string[] {
  const drawn = (figure: unknown): unknown => {
    if (!isObject(figure)) return figure;
    const { data, layout, frames } = figure;
    return { data, layout, frames };
  };
  return differences(drawn(expected), drawn(actual), rules, true);
}
