/**
 * tslab's converter (tslab 1.0.22, pinned) as the engine that turns a cell into a script and declarations for later
 * cells, on a compiler of our choice.
 *
 * tslab brings a fork of TypeScript 5.0, which cannot read the declarations of today's packages, and rebuilds its whole
 * watch program twice a cell. Before its converter loads we therefore put our own object in the place of that fork:
 * TypeScript as we loaded it, with the few functions replaced that tslab calls to make its program (`createWatch...`),
 * to read diagnostics and completions, and to write the script. Everything that is leaned on is checked when the
 * converter is made, so that another version of tslab or TypeScript fails with a sentence instead of strangely.
 */
import { createRequire } from "node:module";
import { dirname } from "node:path";
import type ts from "typescript";
import { hasTopLevelAwait, instrument } from "./instrument.ts";
import { createNotebookProgram, type NotebookProgram } from "./program.ts";
import { keptModules, printerOfDeclarations, withoutExports, withoutReceiver } from "./repairs.ts";
import { type CommonJS, toCommonJS } from "./script.ts";
import type { TypeScript } from "./typescript.ts";

export const TSLAB_VERSION = "1.0.22";

export interface ConverterOptions {
  readonly ts: TypeScript;
  readonly compilerOptions: ts.CompilerOptions;
  readonly rootFiles: readonly string[];
  readonly importFolders: readonly string[];
}

export interface Converted {
  /** Errors of the cell, as TypeScript made them; positions are those of `diagnosed`, one line below the cell's. */
  readonly diagnostics: readonly ts.Diagnostic[];
  /** What TypeScript says against local modules that the cell imports; they run all the same. */
  readonly warnings: readonly ts.Diagnostic[];
  /** The cell's script, unless there were errors. */
  readonly script?: CommonJS;
  /** Declarations of this cell and of what earlier cells declared. */
  readonly declarations: string;
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
  convert(declarations: string, code: string): Converted;
  complete(declarations: string, code: string, position: number): Completions;
  inspect(declarations: string, code: string, position: number): ts.QuickInfo | undefined;
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

/** An import from outside of the notebook's folder, which matters only to those who write compiled files. */
const OUTSIDE_OF_ROOT = 6059;

/** The line that tslab puts before a cell to make it a module. */
export const PREFIX = "export {};\n";

/** What tslab hands to `createWatchCompilerHost`, and adds to what it gets back. */
interface WatchHost {
  rootNames: string[];
  sys: ts.System & { watchFile(path: string, changed: (path: string, kind: number) => void): ts.FileWatcher };
  afterProgramCreate?(builder: unknown): void;
}

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
  const module = new Module(fork);
  module.exports = replacement;
  module.loaded = true;
  require.cache[fork] = module;
  return require(`tslab/dist/${part}`) as Record<string, unknown>;
}

const NEEDED_OF_TYPESCRIPT = [
  "bindSourceFile",
  "findPrecedingToken",
  "findNextToken",
  "parseIsolatedJSDocComment",
];

export function createConverter(options: ConverterOptions): Converter {
  const { ts } = options;
  const internals = ts as unknown as Record<string, unknown>;
  for (const name of NEEDED_OF_TYPESCRIPT)
    if (typeof internals[name] !== "function")
      throw new Error(`TypeScript ${ts.version} has no function ${name}, which the kernel needs`);

  // A getter for each name: TypeScript's exports are getters themselves and cost time when they are first read.
  const facade: Record<string, unknown> = {};
  for (const name of Object.keys(ts))
    Object.defineProperty(facade, name, { get: () => internals[name], configurable: true, enumerable: true });
  const replace = (name: string, value: unknown) =>
    Object.defineProperty(facade, name, { value, enumerable: true });

  let program: NotebookProgram | undefined;
  let diagnostics: readonly ts.Diagnostic[] = [];
  let script: CommonJS | undefined;
  let topLevelAwait = false;
  let cellMap = "";
  let cellFile = "";
  let declarationsFile = "";

  // tslab takes the working directory for the notebook's folder.
  replace(
    "sys",
    Object.assign(Object.create(ts.sys), { getCurrentDirectory: () => options.importFolders[0] }),
  );
  replace("createWatchCompilerHost", (rootNames: string[], _options: unknown, sys: WatchHost["sys"]) => ({
    rootNames,
    sys,
  }));
  replace("createWatchProgram", (host: WatchHost) => {
    const { sys, rootNames } = host;
    declarationsFile = rootNames.find((name) => name.endsWith(".d.ts"))!;
    cellFile = rootNames.find((name) => !name.endsWith(".d.ts"))!;
    const notebook = createNotebookProgram({
      ...options,
      virtualFiles: new Set(rootNames),
      readVirtual: (path) => sys.readFile(path)!,
    });
    program = notebook;
    const builder = {
      getProgram: () => notebook.program(),
      getSourceFile: (path: string) => notebook.sourceFile(path),
      // Local modules are compiled and run by the kernel, not by tslab.
      getAllDependencies: (file: ts.SourceFile) => [file.fileName],
      emit: (file: ts.SourceFile, write: ts.WriteFileCallback, ...rest: unknown[]) => {
        const transformers = rest[2] as ts.CustomTransformers;
        topLevelAwait = hasTopLevelAwait(ts, file);
        const checker = notebook.program().getTypeChecker();
        const isEarlier = (node: ts.ShorthandPropertyAssignment) =>
          checker
            .getShorthandAssignmentValueSymbol(node)
            ?.declarations?.some((declaration) => declaration.getSourceFile() === file.parent) ?? false;
        return notebook.program().emit(
          file,
          (path, text, ...others) => {
            if (path.endsWith(".map")) cellMap = text;
            else write(path, text, ...others);
          },
          undefined,
          false,
          {
            ...transformers,
            before: [instrument(ts, isEarlier)],
            after: [...(transformers.after ?? []), withoutReceiver(ts)],
          },
        );
      },
    };
    let waiting = false;
    const rebuild = () => {
      waiting = false;
      host.afterProgramCreate?.({ ...builder });
    };
    for (const path of rootNames)
      sys.watchFile(path, () => {
        notebook.changed(path);
        if (!waiting) sys.setTimeout!(rebuild, 0);
        waiting = true;
      });
    host.afterProgramCreate?.({ ...builder });
    return { close() {}, updateRootFileNames() {} };
  });
  replace("getPreEmitDiagnosticsOfFiles", (of: ts.Program, files: ts.SourceFile[]) => {
    diagnostics = files.flatMap((file) => {
      const syntactic = of.getSyntacticDiagnostics(file);
      const found = syntactic.length > 0 ? syntactic : of.getSemanticDiagnostics(file);
      return found.filter(({ code }) => code !== OUTSIDE_OF_ROOT);
    });
    return diagnostics;
  });
  replace("transpileModule", (text: string) => {
    script = toCommonJS(ts, text, { firstMap: cellMap, shareVariables: true });
    return { outputText: script.code };
  });
  replace("createPrinter", () => printerOfDeclarations(ts));
  replace("getNullTransformationContext", () => internals.nullTransformationContext);
  replace("getDefaultTypeRoots", () => options.compilerOptions.typeRoots);
  replace("getQuickInfoAtPosition", (file: ts.SourceFile, _c: unknown, _t: unknown, position: number) =>
    program!.languageService().getQuickInfoAtPosition(file.fileName, position),
  );
  replace("Completions", {
    getCompletionsAtPositionForTslab: (
      _h: unknown,
      _p: unknown,
      _l: unknown,
      file: ts.SourceFile,
      at: number,
    ) => program!.languageService().getCompletionsAtPosition(file.fileName, at, {}),
  });

  const tslab = requireTslab("converter", facade) as {
    createConverter(options: { isJS: boolean; isBrowser: boolean }): TslabConverter;
  };
  const converter = tslab.createConverter({ isJS: false, isBrowser: false });
  if (!program) throw new Error("tslab's converter did not make its program as expected");

  const newWarnings = () =>
    program!.newModules().flatMap((file) => program!.program().getSemanticDiagnostics(file));

  return {
    program,
    convert(declarations, code) {
      diagnostics = [];
      script = undefined;
      const converted = converter.convert(declarations, withoutExports(ts, code));
      const made = script as CommonJS | undefined;
      const warnings = made?.imports.length ? newWarnings() : [];
      // tslab has cut it down to what later cells need.
      program!.forget(declarationsFile);
      const errors = diagnostics.filter(({ category }) => category === ts.DiagnosticCategory.Error);
      if (errors.length > 0 || converted.diagnostics.length > 0)
        return { diagnostics: errors, warnings: [], declarations, topLevelAwait: false };
      return {
        diagnostics: [],
        warnings,
        script: made,
        declarations:
          (converted.declOutput ?? "") + keptModules(ts, declarations, converted.declOutput ?? ""),
        topLevelAwait,
        lastExpression: converted.lastExpressionVar,
      };
    },
    complete(declarations, code, position) {
      const { start, end, candidates, original } = converter.complete(declarations, code, position);
      return { start, end, candidates, entries: original?.entries ?? [] };
    },
    inspect: (declarations, code, position) => converter.inspect(declarations, code, position),
    definition(position) {
      const service = program!.languageService();
      const at = service.getDefinitionAtPosition(cellFile, position + PREFIX.length)?.[0];
      const text = at && program!.sourceFile(at.fileName)?.text;
      return at && text !== undefined ? { at, text } : undefined;
    },
    close: () => converter.close(),
  };
}
