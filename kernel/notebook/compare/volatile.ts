/** What differs from run to run and means nothing: it is replaced by a word before texts are compared. */

/** In this order; what the first ones replace the later ones do not see. */
const RULES: readonly [RegExp, string][] = [
  // Dates with times, as `toISOString` writes them.
  [/\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?/g, "<time>"],
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi, "<uuid>"],
  // Addresses of objects.
  [/\b0x[0-9a-f]{6,}\b/gi, "<address>"],
  // Rates: `18 steps/s`, `0.81 noise levels/s`, `3.2 GB/s`.
  [/\b\d[\d.,]*(e[-+]?\d+)? ?[\p{L}%][\p{L} ]{0,30}\/(s|sec|second)\b/giu, "<rate>"],
  [/\b\d[\d.,]*(e[-+]?\d+)? ?\/(s|sec|second)\b/gi, "<rate>"],
  // Durations: `13 ms`, `1.5 s`, `2 min`, `0:13` and `1:02:13`; how often %timeit ran what it timed.
  [/\b\d[\d.,]*(e[-+]?\d+)? ?(ns|[µμu]s|ms|s|secs?|seconds?|min|minutes?|h|hours?)\b/g, "<time>"],
  [/(?<![\d:])\d{1,3}:\d\d(:\d\d)?(?![\d:])/g, "<time>"],
  [/\b\d+ loops?\b/g, "<count> loops"],
];

/** The text without what is volatile, and without what matches the patterns that somebody gave. */
export function steady(text: string, patterns: readonly RegExp[]): string {
  let rest = text;
  for (const pattern of patterns) rest = rest.replace(pattern, "<ignored>");
  for (const [rule, word] of RULES) rest = rest.replace(rule, word);
  return rest;
}

/** Attributes by which parts of a page name each other: front ends and libraries draw them at random. */
const NAMES = /\s(?:id|for|name|aria-(?:labelledby|describedby|controls))=("[^"]*"|'[^']*')/g;

export const steadyHtml = (html: string, patterns: readonly RegExp[]): string =>
  steady(html.replace(NAMES, ""), patterns);
