/** Two texts line by line, as a short diff. */
import { diffArrays } from "diff";
import { linesAgree, type Tolerance } from "./numbers.ts";
import { steady } from "./volatile.ts";

export interface Rules {
  readonly tolerance: Tolerance;
  /** Text that matches is ignored; global expressions. */
  readonly ignore: readonly RegExp[];
}

/** Most lines of a diff that are shown. */
const MOST_LINES = 24;
/** The longest that a line of it is. */
const WIDEST = 160;
/** How long the shortest diff of two long texts is looked for, in milliseconds. */
const PATIENCE = 2000;

const clipped = (line: string): string => (line.length > WIDEST ? `${line.slice(0, WIDEST - 1)}…` : line);

/** At most so many lines, and how many more there are. */
export function shortened(lines: readonly string[]): string[] {
  const shown = lines.slice(0, MOST_LINES).map(clipped);
  return lines.length > MOST_LINES ? [...shown, `… and ${lines.length - MOST_LINES} more lines`] : shown;
}

/** The lines that differ, those expected after a minus and those that came after a plus; none if the texts agree. */
export function diffOfLines(
  expected: readonly string[],
  actual: readonly string[],
  { tolerance, ignore }: Rules,
  clean: (line: string, ignore: readonly RegExp[]) => string = steady,
): string[] {
  const agree = (theirs: string, ours: string): boolean =>
    theirs === ours || linesAgree(clean(theirs, ignore), clean(ours, ignore), tolerance);
  if (expected.length === actual.length && expected.every((line, i) => agree(line, actual[i]))) return [];
  const changes = diffArrays([...expected], [...actual], { comparator: agree, timeout: PATIENCE });
  if (changes) {
    const marked = ({ added, removed, value }: (typeof changes)[number]): string[] =>
      added || removed ? value.map((line) => `${added ? "+" : "-"} ${line}`) : [];
    return shortened(changes.flatMap(marked));
  }
  const at = expected.findIndex((line, i) => i >= actual.length || !agree(line, actual[i]));
  const first = at < 0 ? expected.length : at;
  return [
    `${expected.length} lines expected, ${actual.length} came; they differ from line ${first + 1}`,
    ...(first < expected.length ? [clipped(`- ${expected[first]}`)] : []),
    ...(first < actual.length ? [clipped(`+ ${actual[first]}`)] : []),
  ];
}

/** Lines without the end of the last one. */
export const linesOf = (text: string): string[] =>
  text === "" ? [] : text.replace(/\n$/, "").split(/\r?\n/);
