/** Notebook documents (nbformat 4.5), read and written as Jupyter does, so that saving there changes nothing. */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { wellFormedJson } from "../text.ts";
import { isOutput, validateNotebook } from "./schema.ts";
import { isTooLong, writeWhole } from "./whole.ts";

export type Metadata = Record<string, unknown>;

export interface StreamOutput {
  output_type: "stream";
  name: "stdout" | "stderr";
  text: string;
}
export interface DataOutput {
  output_type: "display_data" | "execute_result";
  data: Record<string, unknown>;
  metadata: Metadata;
  execution_count?: number | null;
}
export interface ErrorOutput {
  output_type: "error";
  ename: string;
  evalue: string;
  traceback: string[];
}
export type Output = StreamOutput | DataOutput | ErrorOutput;

export interface CodeCell {
  cell_type: "code";
  id: string;
  metadata: Metadata;
  source: string;
  outputs: Output[];
  execution_count: number | null;
}
export interface TextCell {
  cell_type: "markdown" | "raw";
  id: string;
  metadata: Metadata;
  source: string;
  attachments?: Record<string, Record<string, unknown>>;
}
export type Cell = CodeCell | TextCell;

export interface Notebook {
  nbformat: 4;
  nbformat_minor: number;
  metadata: Metadata;
  cells: Cell[];
}

export const hasTag = (cell: Cell, tag: string): boolean =>
  (cell.metadata.tags as string[] | undefined)?.includes(tag) === true;

/** An id for a new cell. */
export const newCellId = (): string => randomBytes(4).toString("hex");

const join = (text: unknown): unknown =>
  Array.isArray(text) && text.every((line) => typeof line === "string") ? text.join("") : text;

/** Where Python's `splitlines` ends a line. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: Python's line ends are some.
const LINE_END = /(?<=\r\n|[\n\v\f\x1c-\x1e\x85\u2028\u2029]|\r(?!\n))/;
const split = (text: string): string[] => (text === "" ? [] : text.split(LINE_END));

type Raw = Record<string, unknown>;

/** Whether a document keeps a representation as lines: the types that are text. */
const isText = (type: string) =>
  type.startsWith("text/") || type === "image/svg+xml" || type === "application/javascript";
/** Whether a representation may be read as lines: all but JSON, whose lists are lists. */
const isLines = (type: string) => !/^application\/(.*\+)?json$/.test(type);

/** A cell of a document with `change` made to each of its texts, and to the representations of the types that it has. */
function mapTexts(cell: Raw, change: (text: unknown) => unknown, has: (type: string) => boolean): Raw {
  const mapValues = (values: unknown, map: (value: unknown, key: string) => unknown): Raw =>
    Object.fromEntries(Object.entries(values as Raw).map(([key, value]) => [key, map(value, key)]));
  const bundle = (data: unknown) => mapValues(data, (value, type) => (has(type) ? change(value) : value));
  const output = (raw: Raw): Raw => ({
    ...raw,
    ...("text" in raw ? { text: change(raw.text) } : {}),
    ...("data" in raw ? { data: bundle(raw.data) } : {}),
  });
  return {
    ...cell,
    source: change(cell.source),
    ...(cell.attachments !== undefined ? { attachments: mapValues(cell.attachments, bundle) } : {}),
    ...(Array.isArray(cell.outputs) ? { outputs: (cell.outputs as Raw[]).map(output) } : {}),
  };
}

/** Metadata without what Jupyter itself does not keep in documents. */
function lasting(metadata: Metadata, ...transient: string[]): Metadata {
  return Object.fromEntries(Object.entries(metadata).filter(([key]) => !transient.includes(key)));
}

/**
 * Reads a notebook of format 4, brought to 4.5 (cells of earlier ones get ids). The error names the file, and the place
 * in it.
 */
export async function readNotebook(path: string): Promise<Notebook> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    const what = isTooLong(error) ? "a notebook of less than 512 MB expected, got more" : error.message;
    throw new Error(error.code === "ENOENT" ? `there is no notebook at ${path}` : `${path}: ${what}`, {
      cause: error,
    });
  });
  try {
    return parseNotebook(text);
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`);
  }
}

/** What is an output of a cell among values that a document has elsewhere. */
export function readOutputs(values: readonly unknown[]): Output[] {
  const cell = { source: "", outputs: values.filter(isOutput) };
  return mapTexts(cell, join, isLines).outputs as Output[];
}

export function parseNotebook(text: string): Notebook {
  let raw: Raw;
  try {
    raw = JSON.parse(text);
  } catch (error) {
    throw new Error(`a notebook is JSON, but ${(error as Error).message}`);
  }
  if (raw?.nbformat !== 4)
    throw new Error(
      `nbformat 4 expected, got ${JSON.stringify(raw?.nbformat) ?? "none"}${raw?.nbformat === 3 ? "; Jupyter converts it: jupyter nbconvert --to notebook" : ""}`,
    );
  if (Number(raw.nbformat_minor) < 5) {
    raw.nbformat_minor = 5;
    const cells = Array.isArray(raw.cells) ? (raw.cells as Raw[]) : [];
    for (const cell of cells) cell.id ??= newCellId();
  }
  validateNotebook(raw);
  const cells = (raw.cells as Raw[]).map((cell) => mapTexts(cell, join, isLines));
  return { ...raw, cells } as unknown as Notebook;
}

/** Python's order of texts; that of JavaScript takes half of a character beyond U+FFFF for one. */
function byCodePoint(a: string, b: string): number {
  let i = 0;
  while (i < a.length && a[i] === b[i]) i++;
  if (i === a.length || i === b.length) return a.length - b.length;
  // At the second half of a pair the first halves are the same, and the halves are in order.
  return a.codePointAt(i)! - b.codePointAt(i)!;
}

/** JSON with sorted keys, an indent of one, and numbers as Python writes them. */
function serialize(value: unknown, indent: string): string {
  if (typeof value === "number") return pythonNumber(value);
  if (value === null || typeof value !== "object") return wellFormedJson(value) ?? "null";
  const inner = `${indent} `;
  if (Array.isArray(value)) {
    if (value.length === 0) return "[]";
    return `[\n${value.map((item) => inner + serialize(item, inner)).join(",\n")}\n${indent}]`;
  }
  const keys = Object.keys(value)
    .filter((key) => (value as Raw)[key] !== undefined)
    .sort(byCodePoint);
  if (keys.length === 0) return "{}";
  const entry = (key: string) => `${inner}${wellFormedJson(key)}: ${serialize((value as Raw)[key], inner)}`;
  return `{\n${keys.map(entry).join(",\n")}\n${indent}}`;
}

/** Python writes small numbers with an exponent of two digits. */
function pythonNumber(value: number): string {
  if (!Number.isFinite(value)) return "null";
  if (Number.isInteger(value) || Math.abs(value) >= 1e-4) return String(value);
  return value.toExponential().replace(/e-(\d)$/, "e-0$1");
}

/** The document's text, as Jupyter writes it. Throws if it is not valid. */
export function formatNotebook(notebook: Notebook): string {
  const lines = (text: unknown) => (typeof text === "string" ? split(text) : text);
  const cells = notebook.cells.map((cell) => ({
    ...mapTexts(cell as unknown as Raw, lines, isText),
    metadata: lasting(cell.metadata, "trusted"),
  }));
  const metadata = lasting(notebook.metadata, "orig_nbformat", "orig_nbformat_minor", "signature");
  const raw = { ...notebook, metadata, cells };
  validateNotebook(raw);
  return `${serialize(raw, "")}\n`;
}

/** Writes a notebook to a temporary name first: what was there stays until the new one is whole. */
export const writeNotebook = (path: string, notebook: Notebook): Promise<void> =>
  writeWhole(path, () => formatNotebook(notebook));
