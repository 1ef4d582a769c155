/**
 * tslab's converter (tslab 1.0.22, pinned) as the engine that turns a cell into a script and declarations for later
 * cells, on a compiler of our choice.
 *
 * tslab brings a fork of TypeScript 5.0, which cannot read the declarations of today's packages, and rebuilds its whole
 * watch program twice a cell. Before its converter loads we therefore put our own object in the place of that fork (see
 * `facade.ts`). Everything that is leaned on is checked when the converter is made, so that another version of tslab or
 * TypeScript fails with a sentence instead of strangely.
 */
import { createRequire } from "node:module";
import { dirname } from "node:path";
import type ts from "typescript";
import { createFacade, type FacadeOptions, type Pass } from "./facade.ts";
import type { CellFile, NotebookProgram } from "./program.ts";
import { withoutExports } from "./repairs.ts";
import type { CommonJS } from "./script.ts";
import type { TypeScript } from "./typescript.ts";

export const TSLAB_VERSION = "1.0.22";

export interface Converted {
  /** Errors of the cell, as TypeScript made them; positions are those of `diagnosed`, one line below the cell's. */
  readonly diagnostics: readonly ts.Diagnostic[];
  /** What TypeScript says against local modules that the cell imports; they run all the same. */
  readonly warnings: readonly ts.Diagnostic[];
  /** The cell's script, unless there were errors. */
  readonly script?: CommonJS;
  /** What the cell declares, which its program may be told. */
  readonly cell: CellFile;
  readonly topLevelAwait: boolean;
  /** The property of `exports` that holds the value of the last expression. */
  readonly lastExpression?: string;
}

export interface Completions {
  /** Where the completed word starts and ends, in UTF-16 units. */
  readonly start: number;
  readonly end: number;
  readonly candidates: readonly string[];
  readonly entries: readonly ts.CompletionEntry[];
}

export interface Converter {
  convert(code: string): Converted;
  complete(code: string, position: number): Completions;
  inspect(code: string, position: number): ts.QuickInfo | undefined;
  /** The call around a position of the code that was inspected last, and where the name of what it calls ends. */
  signature(position: number): (ts.SignatureHelpItems & { called: number }) | undefined;
  /** Where the name that was inspected last is declared, and the text of that file. */
  definition(position: number): { at: ts.DefinitionInfo; text: string } | undefined;
  readonly program: NotebookProgram;
  close(): void;
}

/** The part of tslab's converter that is used. */
interface TslabConverter {
  convert(
    declarations: string,
    code: string,
  ): { output?: string; declOutput?: string; diagnostics: unknown[]; lastExpressionVar?: string };
  complete(
    declarations: string,
    code: string,
    position: number,
  ): { start: number; end: number; candidates: string[]; original?: ts.CompletionInfo };
  inspect(declarations: string, code: string, position: number): ts.QuickInfo | undefined;
  close(): void;
}

/** The line that tslab puts before a cell to make it a module. */
export const PREFIX = "export {};\n";

function requireTslab(part: string, replacement: Record<string, unknown>): Record<string, unknown> {
  const require = createRequire(import.meta.url);
  const manifest = require.resolve("tslab/package.json");
  const { version } = require(manifest) as { version: string };
  if (version !== TSLAB_VERSION)
    throw new Error(
      `the kernel needs tslab ${TSLAB_VERSION} exactly, found ${version} in ${dirname(manifest)}`,
    );
  const fork = createRequire(manifest).resolve("@tslab/typescript-for-tslab");
  const { Module } = require("node:module") as { Module: new (id: string) => NodeModule };
  const put = (path: string, exports: unknown): void => {
    require.cache[path] = Object.assign(new Module(path), { exports, loaded: true });
  };
  put(fork, replacement);
  // Of this package tslab asks for the major version of Node alone; loading it takes 20 ms of a start.
  const semver = createRequire(manifest).resolve("semver");
  const before = require.cache[semver];
  put(semver, { major: (version: string) => Number(/\d+/.exec(version)?.[0]) });
  try {
    return require(`tslab/dist/${part}`) as Record<string, unknown>;
  } finally {
    // Cells that import it get it whole.
    if (before) require.cache[semver] = before;
    else delete require.cache[semver];
  }
}

/** Sends a cell through tslab and gathers what the compiler left of it. */
function convertCell(
  ts: TypeScript,
  converter: TslabConverter,
  program: NotebookProgram,
  pass: Pass,
  code: string,
): Converted {
  pass.cell = undefined;
  pass.diagnostics = [];
  pass.script = undefined;
  const converted = converter.convert("", withoutExports(ts, code));
  const cell = pass.cell as unknown as CellFile;
  const script = pass.script as CommonJS | undefined;
  const warnings = script?.imports.size
    ? program.newModules().flatMap((file) => program.program().getSemanticDiagnostics(file))
    : [];
  const errors = pass.diagnostics.filter(({ category }) => category === ts.DiagnosticCategory.Error);
  if (errors.length > 0 || converted.diagnostics.length > 0)
    return { diagnostics: errors, warnings: [], cell, topLevelAwait: false };
  const { topLevelAwait } = pass;
  return {
    diagnostics: [],
    warnings,
    script,
    cell,
    topLevelAwait,
    lastExpression: converted.lastExpressionVar,
  };
}

/** Where the name at a position of a cell is declared. */
function definitionAt(
  program: NotebookProgram,
  cell: CellFile,
  position: number,
): ReturnType<Converter["definition"]> {
  const service = program.languageService();
  const at = service.getDefinitionAtPosition(cell.file.fileName, position + PREFIX.length)?.[0];
  const text = at && program.sourceFile(at.fileName)?.text;
  return at && text !== undefined ? { at, text } : undefined;
}

export function createConverter(options: FacadeOptions): Converter {
  const { ts } = options;
  const facade = createFacade(options);
  const tslab = requireTslab("converter", facade.exports) as {
    createConverter(options: { isJS: boolean; isBrowser: boolean }): TslabConverter;
  };
  const converter = tslab.createConverter({ isJS: false, isBrowser: false });
  const program = facade.program();
  if (!program) throw new Error("tslab's converter did not make its program as expected");
  const { pass } = facade;
  return {
    program,
    convert: (code) => convertCell(ts, converter, program, pass, code),
    complete(code, position) {
      pass.cell = undefined;
      const { start, end, candidates, original } = converter.complete("", code, position);
      const entries = original?.entries ?? [];
      // Within a text tslab finds no word; the compiler says what is written of it. `__x` tslab takes for `___x`.
      const inText = start === end ? original?.optionalReplacementSpan : undefined;
      const written = code.startsWith("__", start) ? { start, length: end - start } : inText;
      if (!written) return { start, end, candidates, entries };
      const prefix = code.slice(written.start, position).toLowerCase();
      const names = inText ? candidates : entries.map(({ name }) => name);
      return {
        start: written.start,
        end: Math.max(position, written.start + written.length),
        candidates: names.filter((name) => name.toLowerCase().startsWith(prefix)),
        entries,
      };
    },
    inspect(code, position) {
      pass.cell = undefined;
      return converter.inspect("", code, position);
    },
    signature(position) {
      const service = program.languageService();
      const { fileName } = pass.cell!.file;
      const help = service.getSignatureHelpItems(fileName, position + PREFIX.length, undefined);
      return help && { ...help, called: help.applicableSpan.start - 1 - PREFIX.length };
    },
    definition: (position) => definitionAt(program, pass.cell!, position),
    close: () => converter.close(),
  };
}
