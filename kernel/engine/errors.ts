/** Errors as a notebook shows them: TypeScript's with its caret, the program's with positions in the cell's source. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { types } from "node:util";
import type ts from "typescript";
import { toText } from "../display/inspect.ts";
import { isInterrupt } from "../runtime/interrupt.ts";
import { hintFor } from "./hints.ts";
import { isCellPath } from "./program.ts";
import { placeIn, sourceNamed } from "./sources.ts";
import { PREFIX } from "./tslab.ts";
import type { TypeScript } from "./typescript.ts";

export interface Failure {
  readonly ename: string;
  readonly evalue: string;
  readonly traceback: readonly string[];
}

/** Where errors come from that an import brought: the script's name, and what it imports. */
const imports = new WeakMap<object, { name: string; specifier: string }>();

/** Notes of an error that it came with an import of the script that runs as `name`; the innermost counts. */
export function registerImport(error: unknown, name: string, specifier: string): void {
  if (typeof error === "object" && error !== null && !imports.has(error))
    imports.set(error, { name, specifier });
}

/** The place of the import that an error came with, from 1. */
function placeOfImport(error: object): { file: string; line: number; column: number } | undefined {
  const { name, specifier } = imports.get(error) ?? { name: "", specifier: "" };
  const text = sourceNamed(name)?.text ?? "";
  const at = [`"${specifier}"`, `'${specifier}'`]
    .map((quoted) => text.indexOf(quoted))
    .find((index) => index >= 0);
  if (at === undefined) return undefined;
  const before = text.slice(0, at).split("\n");
  return { file: name, line: before.length, column: before.at(-1)!.length + 1 };
}

const kernelFolder = new URL("..", import.meta.url).href;
const kernelPath = fileURLToPath(kernelFolder);

const isInternal = (file: string) =>
  file.startsWith("node:") ||
  file.startsWith(kernelFolder) ||
  file.startsWith(kernelPath) ||
  file.includes("/node_modules/tslab/") ||
  file.includes("/node_modules/typescript/lib/");

function locate(file: string, line: number, column: number): { line: number; column: number } | undefined {
  const source = sourceNamed(file);
  return source && placeIn(source, line, column);
}

function formatFrame(frame: NodeJS.CallSite): string | undefined {
  const file = frame.getFileName() ?? frame.getScriptNameOrSourceURL?.() ?? "";
  if (isInternal(file)) return undefined;
  const text = frame.toString();
  const [line, column] = [frame.getLineNumber(), frame.getColumnNumber()];
  if (line === null || column === null) return text;
  const at = locate(file, line, column);
  return at ? text.replace(`${file}:${line}:${column}`, `${file}:${at.line}:${at.column}`) : text;
}

/** Makes every error's `stack` name places in the sources, and leave out the kernel's own. */
export function mapStacks(): void {
  Error.stackTraceLimit = 30;
  Error.prepareStackTrace = (error, frames) => {
    let head = "Error";
    try {
      head = String(Error.prototype.toString.call(error));
    } catch {
      // An error whose name or message throws.
    }
    const lines = frames.map(formatFrame).filter((line) => line !== undefined);
    return [head, ...lines.map((line) => `    at ${line}`)].join("\n");
  };
}

/** Carries a failure that is described already. */
export class CompilationError extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.evalue);
    this.name = failure.ename;
    this.failure = failure;
  }
}

/** Weight alone: the text has the front end's own colour, which is legible in each of its themes. */
const BOLD = "\u001b[1m";
const RESET = "\u001b[0m";

/** The lines of source around a place, as compilers print them. */
function excerpt(file: string, line: number, column: number): string[] {
  let text = sourceNamed(file)?.text;
  try {
    text ??= readFileSync(file, "utf8");
  } catch {
    return [];
  }
  const lines = text.split("\n");
  const width = String(line + 1).length;
  const shown: string[] = [];
  for (let n = Math.max(1, line - 1); n <= Math.min(lines.length, line + 1); n++) {
    const mark = n === line ? `${BOLD}>${RESET}` : " ";
    shown.push(`${mark} ${String(n).padStart(width)} | ${lines[n - 1]}`);
    if (n === line) shown.push(`  ${" ".repeat(width)} | ${" ".repeat(column - 1)}${BOLD}^${RESET}`);
  }
  return shown;
}

function text(value: unknown, fallback: string): string {
  try {
    return typeof value === "string" ? value : String(value);
  } catch {
    return fallback;
  }
}

/** Inner errors shown of one that gathers many. */
const MAX_INNER = 10;
/** What is told of an error by other means than as one of its properties. */
const TOLD = new Set(["name", "message", "stack", "cause", "errors"]);

const isError = (value: unknown): value is Error => value instanceof Error || types.isNativeError(value);

/** What an error carries beside its message, as Node shows it; no getter is called. */
function properties(error: Error): string[] {
  const own = Object.entries(Object.getOwnPropertyDescriptors(error)).filter(
    ([name, { enumerable }]) => enumerable && !TOLD.has(name),
  );
  return own.length === 0 ? [] : toText(Object.defineProperties({}, Object.fromEntries(own))).split("\n");
}

/** The errors that one gathers, and the one that it came of. */
function innerErrors(error: Error, outer: ReadonlySet<unknown>): string[] {
  const { errors, cause } = error as Error & { errors?: unknown };
  const inner = Array.isArray(errors) ? errors : [];
  const told = inner
    .slice(0, MAX_INNER)
    .map((one, i): [string, unknown] => [`Error ${i + 1} of ${inner.length}:`, one]);
  if (cause !== undefined) told.push(["Caused by", cause]);
  const lines = told
    .filter(([, one]) => !outer.has(one))
    .flatMap(([how, one]) => {
      const [first, ...rest] = describe(one, outer).traceback;
      return ["", `${how} ${first}`, ...rest];
    });
  return inner.length > MAX_INNER ? [...lines, "", `… ${inner.length - MAX_INNER} more errors`] : lines;
}

/** Where an error arose, as far as that is in a cell or a module of its own. */
function placeOf(error: Error, frames: readonly string[]): string[] {
  const frame = frames
    .map((line) => /(?:\(|at |async )([^()]+?):(\d+):(\d+)\)?$/.exec(line))
    .find((match) => match && sourceNamed(match[1]));
  const place = frame
    ? { file: frame[1], line: Number(frame[2]), column: Number(frame[3]) }
    : placeOfImport(error);
  if (!place) return [];
  const { file, line, column } = place;
  return ["", `${file}:${line}:${column}`, ...excerpt(file, line, column)];
}

/** Whatever was thrown, as a Jupyter error. */
export const describeError = (thrown: unknown): Failure => describe(thrown, new Set());

/** @param outer the errors that this one is told of within */
function describe(thrown: unknown, outer: ReadonlySet<unknown>): Failure {
  if (thrown instanceof CompilationError) return thrown.failure;
  if (isInterrupt(thrown)) {
    const evalue = "the cell was interrupted";
    return {
      ename: "KeyboardInterrupt",
      evalue,
      traceback: [`${BOLD}KeyboardInterrupt${RESET}: ${evalue}`],
    };
  }
  if (!isError(thrown)) {
    const evalue = toText(thrown);
    return { ename: "Thrown", evalue, traceback: [`${BOLD}Thrown${RESET}: ${evalue}`] };
  }
  const ename = text(thrown.name, "Error") || "Error";
  const evalue = text(thrown.message, "");
  const frames = text(thrown.stack, "")
    .split("\n")
    .filter((line) => /^\s+at /.test(line));
  const traceback = [
    `${BOLD}${ename}${RESET}: ${evalue}`,
    ...frames,
    ...properties(thrown),
    ...placeOf(thrown, frames),
    ...innerErrors(thrown, new Set([...outer, thrown])),
  ];
  return { ename, evalue, traceback };
}

/** What the compiler colours red in bold, and all else in the front end's own colour: tsc's suit one background alone. */
const weighted = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escapes begin with one.
  text.replace(/\u001b\[(\d+)m/g, (_, colour) => (colour === "91" ? BOLD : colour === "0" ? RESET : ""));

/** Errors of compilation, as tsc prints them. */
export function describeDiagnostics(ts: TypeScript, diagnostics: readonly ts.Diagnostic[]): Failure {
  const [first] = diagnostics;
  const message = ts.flattenDiagnosticMessageText(first.messageText, " ");
  const formatted = ts.formatDiagnosticsWithColorAndContext(diagnostics, {
    getCurrentDirectory: () => process.cwd(),
    getCanonicalFileName: (file) => file,
    getNewLine: () => "\n",
  });
  return {
    ename: "TypeScriptError",
    evalue: `TS${first.code}: ${message}`,
    traceback: weighted(formatted).trimEnd().split("\n"),
  };
}

interface ShownCell {
  readonly name: string;
  readonly code: string;
  readonly bracket?: number;
  /** Lines that would import what the cell lacks. */
  readonly imports: readonly string[];
}

/** The same for a cell, whose positions tslab shifts. */
export function describeCellDiagnostics(
  ts: TypeScript,
  diagnostics: readonly ts.Diagnostic[],
  { name, code, bracket = Number.POSITIVE_INFINITY, imports }: ShownCell,
  readable: (text: string) => string,
): Failure {
  const cell = ts.createSourceFile(name, code, ts.ScriptTarget.ES2022);
  const own = diagnostics.map((diagnostic): ts.Diagnostic => {
    if (!diagnostic.file || !isCellPath(diagnostic.file.fileName)) return diagnostic;
    // An error at the end of what tslab appends belongs to the end of the cell.
    const seen = diagnostic.start! - PREFIX.length;
    const start = Math.min(Math.max(0, seen > bracket ? seen - 1 : seen), code.length);
    const length = Math.min(diagnostic.length!, code.length - start);
    return { ...diagnostic, file: cell, start, length, relatedInformation: undefined };
  });
  const { ename, evalue, traceback } = describeDiagnostics(ts, own);
  const hint = hintFor(own, code);
  const notes = hint === undefined ? imports : [hint];
  const note = notes.length === 0 ? [] : ["", ...notes.map((one) => `Note: ${one}.`)];
  return { ename, evalue: readable(evalue), traceback: [...traceback.map(readable), ...note] };
}
