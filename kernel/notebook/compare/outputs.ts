/** A cell's outputs beside those that a notebook holds. */
import { stripVTControlCharacters } from "node:util";
import { LOADER_START } from "../../display/plotly-page.ts";
import type { CodeCell, DataOutput, ErrorOutput, Output } from "../format.ts";
import { overwritten } from "../outputs.ts";
import { diffOfImages } from "./images.ts";
import { diffOfFigures, diffOfJson } from "./json.ts";
import { diffOfLines, linesOf, type Rules, shortened } from "./text.ts";
import { steady, steadyHtml } from "./volatile.ts";

/** One output that is not as expected. */
export interface Difference {
  /** Which output, and which of its representations. */
  readonly place: string;
  readonly lines: readonly string[];
}

export const FIGURE = "application/vnd.plotly.v1+json";
const HTML = "text/html";
const PLAIN = "text/plain";
const BITMAP = /^image\/(png|jpeg|gif|webp|avif)$/;
const JSON_TYPE = /^application\/(.*\+)?json$/;
const EMBEDDED = /data:(image\/(?:png|jpeg|gif|webp));base64,([A-Za-z0-9+/=]+)/g;

/** Whether an output brings plotly.js, which is of the notebook and not of the cell. */
export const isLoader = (output: Output): boolean =>
  output.output_type === "display_data" && String(output.data[HTML] ?? "").startsWith(LOADER_START);

type Rich = DataOutput | ErrorOutput;
interface Sorted {
  readonly stdout: string;
  readonly stderr: string;
  readonly rich: readonly Rich[];
}

/** What was printed as one text each, since how it is cut is chance; the rest in order. */
function sorted(outputs: readonly Output[]): Sorted {
  const printed = (name: string) =>
    overwritten(outputs.map((o) => (o.output_type === "stream" && o.name === name ? o.text : "")).join(""));
  const rich = outputs.filter((o): o is Rich => o.output_type !== "stream" && !isLoader(o));
  return { stdout: printed("stdout"), stderr: printed("stderr"), rich };
}

/** An output in one line, for where another is missing. */
function summary(output: Rich): string {
  if (output.output_type === "error") return `${output.ename}: ${output.evalue}`;
  const text = output.data[PLAIN];
  return typeof text === "string" && text !== "" ? text.split("\n")[0] : Object.keys(output.data).join(", ");
}

/** Which representations say something of their own: a figure's others, and an image's text, follow from it. */
function compared(data: Record<string, unknown>): string[] {
  const types = Object.keys(data);
  if (FIGURE in data) return [FIGURE];
  const hasImage = types.some((type) => type.startsWith("image/"));
  // The text first: how it differs is easy to read.
  const rest = types.filter((type) => type !== PLAIN);
  return hasImage || !(PLAIN in data) ? rest : [PLAIN, ...rest];
}

/** A page's tags and texts, each on a line of its own, and the images inside of it. */
function partsOf(html: string): { lines: string[]; images: string[] } {
  const images: string[] = [];
  const text = html.replace(EMBEDDED, (_, type: string, base64: string) => {
    images.push(base64);
    return `<${type}>`;
  });
  return { lines: text.split(/(?<=>)\s*|\s*(?=<)/).filter((line) => line.trim() !== ""), images };
}

async function diffOfHtml(expected: string, actual: string, rules: Rules): Promise<string[]> {
  const [theirs, ours] = [partsOf(expected), partsOf(actual)];
  const lines = diffOfLines(theirs.lines, ours.lines, rules, steadyHtml);
  if (lines.length > 0) return lines;
  if (theirs.images.length !== ours.images.length)
    return [`${theirs.images.length} images expected, ${ours.images.length} came`];
  for (const [i, image] of theirs.images.entries()) {
    const differs = await diffOfImages(image, ours.images[i], rules.tolerance);
    if (differs.length > 0) return [`image ${i + 1}: ${differs[0]}`];
  }
  return [];
}

async function diffOfType(type: string, expected: unknown, actual: unknown, rules: Rules): Promise<string[]> {
  if (type === FIGURE) return diffOfFigures(expected, actual, rules);
  if (JSON_TYPE.test(type)) return diffOfJson(expected, actual, rules);
  const [theirs, ours] = [String(expected), String(actual)];
  if (BITMAP.test(type)) return diffOfImages(theirs, ours, rules.tolerance);
  if (type === HTML || type === "image/svg+xml") return diffOfHtml(theirs, ours, rules);
  return diffOfLines(linesOf(theirs), linesOf(ours), rules);
}

async function diffOfData(expected: DataOutput, actual: DataOutput, place: string, rules: Rules) {
  const [theirs, ours] = [compared(expected.data), compared(actual.data)];
  for (const type of theirs) {
    if (!ours.includes(type)) return { place: `${place}, ${type}`, lines: ["it is missing"] };
    const lines = await diffOfType(type, expected.data[type], actual.data[type], rules);
    if (lines.length > 0) return { place: `${place}, ${type}`, lines };
  }
  const more = ours.find((type) => !theirs.includes(type));
  return more === undefined ? undefined : { place: `${place}, ${more}`, lines: ["it was not there before"] };
}

/** Errors by name and message; where they came from has paths and positions. */
const errorLines = ({ ename, evalue }: ErrorOutput): string[] =>
  linesOf(stripVTControlCharacters(`${ename}: ${evalue}`));

async function diffOfRich(theirs: Rich | undefined, ours: Rich | undefined, place: string, rules: Rules) {
  if (!ours) return { place, lines: shortened([`- ${summary(theirs!)}`]) };
  if (!theirs) return { place, lines: shortened([`+ ${summary(ours)}`]) };
  if (theirs.output_type === "error" && ours.output_type === "error") {
    const lines = diffOfLines(errorLines(theirs), errorLines(ours), rules);
    return lines.length > 0 ? { place: `${place}, the error`, lines } : undefined;
  }
  if (theirs.output_type !== "error" && ours.output_type !== "error")
    return diffOfData(theirs, ours, place, rules);
  return { place, lines: shortened([`- ${summary(theirs)}`, `+ ${summary(ours)}`]) };
}

/** All that is not as expected, in the order of the outputs. */
export async function compareOutputs(
  expected: CodeCell["outputs"],
  actual: CodeCell["outputs"],
  rules: Rules,
): Promise<Difference[]> {
  const [theirs, ours] = [sorted(expected), sorted(actual)];
  const differences: Difference[] = [];
  for (const name of ["stdout", "stderr"] as const) {
    const lines = diffOfLines(linesOf(theirs[name]), linesOf(ours[name]), rules, steady);
    if (lines.length > 0) differences.push({ place: name, lines });
  }
  const count = Math.max(theirs.rich.length, ours.rich.length);
  for (let i = 0; i < count; i++) {
    const place = `output ${i + 1}${i >= ours.rich.length ? " is missing" : i >= theirs.rich.length ? " is new" : ""}`;
    const difference = await diffOfRich(theirs.rich[i], ours.rich[i], place, rules);
    if (difference) differences.push(difference);
  }
  return differences;
}
