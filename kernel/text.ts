/** Text as the protocol has it: Jupyter counts positions in Unicode code points, JavaScript in UTF-16 units. */

export function toUtf16(text: string, codePoints: number): number {
  let units = 0;
  for (const character of text) {
    if (codePoints-- <= 0) break;
    units += character.length;
  }
  return units;
}

export function toCodePoints(text: string, units: number): number {
  let count = 0;
  for (const _ of text.slice(0, units)) count++;
  return count;
}

/**
 * JSON without halves of characters: text cut between the two parts of an emoji, say. JavaScript writes such a half as an
 * escape, which Python reads and then can neither encode nor save; it becomes U+FFFD, as wherever text becomes bytes.
 */
export function wellFormedJson(value: unknown): string | undefined {
  const json = JSON.stringify(value) as string | undefined;
  if (!json?.includes("\\ud")) return json;
  return json.replace(/\\(?:ud[89a-f][0-9a-f]{2}|.)/g, (part) => (part.startsWith("\\ud") ? "\ufffd" : part));
}
