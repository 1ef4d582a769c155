/** When two numbers, or two texts that hold numbers, are the same for a reader. */

/**
 * The relative difference that numbers may have. Undefined: integers are exact, and others may differ by one in a million.
 * What somebody says holds for integers, too.
 */
export type Tolerance = number | undefined;

const FRACTIONS = 1e-6;
/** What is as near to nothing as this is nothing: sums that cancel leave such rests. */
const ABSOLUTE = 1e-12;

/** @param scale what the difference is relative to, where it is not the numbers themselves */
export function numbersAgree(
  expected: number,
  actual: number,
  tolerance: Tolerance,
  scale?: number,
): boolean {
  if (Object.is(expected, actual) || expected === actual) return true;
  if (!Number.isFinite(expected) || !Number.isFinite(actual)) return false;
  const size = scale ?? Math.max(Math.abs(expected), Math.abs(actual));
  return Math.abs(expected - actual) <= Math.max((tolerance ?? FRACTIONS) * size, ABSOLUTE);
}

/** A number that is no part of a word, such as the 2 of `conv2d`. */
const NUMBER = /(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?/gi;
const isInteger = (text: string) => /^[-+]?\d+$/.test(text);

function writtenNumbersAgree(expected: string, actual: string, tolerance: Tolerance): boolean {
  if (expected === actual) return true;
  if (tolerance === undefined && isInteger(expected) && isInteger(actual))
    return BigInt(expected.replace("+", "")) === BigInt(actual.replace("+", ""));
  return numbersAgree(Number(expected), Number(actual), tolerance);
}

/** What stands between the numbers; how many spaces align them does not matter. */
const words = (line: string): string => line.replace(NUMBER, "#").replace(/\s+/g, " ").trimEnd();

/** Whether two lines have the same words, and numbers within the tolerance. */
export function linesAgree(expected: string, actual: string, tolerance: Tolerance): boolean {
  if (expected === actual) return true;
  const [theirs, ours] = [expected, actual].map((line) => line.match(NUMBER) ?? []);
  return (
    theirs.length === ours.length &&
    words(expected) === words(actual) &&
    theirs.every((number, i) => writtenNumbersAgree(number, ours[i], tolerance))
  );
}
