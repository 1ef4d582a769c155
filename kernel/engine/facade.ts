/**
 * The object that takes the place of tslab's fork of TypeScript: TypeScript as we loaded it, with the few functions
 * replaced that tslab calls to make its program (`createWatch...`), to read diagnostics and completions, and to write the
 * script.
 */
import type ts from "typescript";
import { localsOf } from "./declarations.ts";
import { hasTopLevelAwait, instrument } from "./instrument.ts";
import { lastBesideUsing, unnamedLast } from "./last.ts";
import { type CellFile, createNotebookProgram, type NotebookProgram } from "./program.ts";
import { continuingNamespaces, withoutReceiver } from "./repairs.ts";
import { asCommonJS, type CommonJS, cellScript } from "./script.ts";
import { createTranspiler } from "./transpile.ts";
import type { TypeScript } from "./typescript.ts";

export interface FacadeOptions {
  readonly ts: TypeScript;
  readonly compilerOptions: ts.CompilerOptions;
  readonly rootFiles: readonly string[];
  readonly importFolders: readonly string[];
}

/** What tslab has a program made of: a file of declarations, which stays empty here, and the cell. */
interface Notebook {
  readonly program: NotebookProgram;
  readonly cellPath: string;
  readonly cellText: () => string;
}

/** What is found out about a cell on its way through tslab, which has no place for it. */
export interface Pass {
  /** The cell, parsed; undefined makes the next text that tslab has a cell of its own. */
  cell?: CellFile;
  diagnostics: readonly ts.Diagnostic[];
  script?: CommonJS;
  topLevelAwait: boolean;
  /** From the script before it became CommonJS to the cell. */
  map: string;
}

export interface Facade {
  readonly exports: Record<string, unknown>;
  readonly pass: Pass;
  /** Undefined until tslab's converter has made its program. */
  program(): NotebookProgram | undefined;
}

/** What tslab hands to `createWatchCompilerHost`, and adds to what it gets back. */
interface WatchHost {
  rootNames: string[];
  sys: ts.System & { watchFile(path: string, changed: (path: string, kind: number) => void): ts.FileWatcher };
  afterProgramCreate?(builder: unknown): void;
}

/** An import from outside of the notebook's folder, which matters only to those who write compiled files. */
const OUTSIDE_OF_ROOT = 6059;

/** A function of the compiler that its declarations leave out. */
interface Internals {
  getTokenAtPosition(file: ts.SourceFile, position: number): ts.Node;
}

const NEEDED_OF_TYPESCRIPT = [
  "getTokenAtPosition",
  "bindSourceFile",
  "findPrecedingToken",
  "findNextToken",
  "parseIsolatedJSDocComment",
];

/** Every export of TypeScript, its inner ones, too, as a getter: they are getters themselves and cost time when read. */
function gettersOf(ts: TypeScript): Record<string, unknown> {
  const internals = ts as unknown as Record<string, unknown>;
  for (const name of NEEDED_OF_TYPESCRIPT)
    if (typeof internals[name] !== "function")
      throw new Error(`TypeScript ${ts.version} has no function ${name}, which the kernel needs`);
  const getters: Record<string, unknown> = {};
  for (const name of Object.keys(ts))
    Object.defineProperty(getters, name, {
      get: () => internals[name],
      configurable: true,
      enumerable: true,
    });
  return getters;
}

function notebookOf({ sys, rootNames }: WatchHost, options: FacadeOptions): Notebook {
  const cellPath = rootNames.find((name) => !name.endsWith(".d.ts"))!;
  return { program: createNotebookProgram(options), cellPath, cellText: () => sys.readFile(cellPath)! };
}

/** The cell of the text that tslab has now. */
function cellOf({ program, cellText }: Notebook, pass: Pass): CellFile {
  const text = cellText();
  if (pass.cell?.file.text !== text) pass.cell = program.enter(text);
  return pass.cell;
}

/** A cell whose names are as they are written, for tslab: to the compiler `__x` is `___x`. */
function withWrittenNames(ts: TypeScript, file: ts.SourceFile): ts.SourceFile {
  const locals = localsOf(file);
  if (![...locals.keys()].some((name) => name.startsWith("___"))) return file;
  const written = [...locals].map(
    ([name, symbol]) => [ts.unescapeLeadingUnderscores(name as ts.__String), symbol] as const,
  );
  return Object.create(file, {
    locals: { value: new Map(written) },
    parent: { value: file.parent, writable: true },
  });
}

/** The path at which tslab expects a cell's script. */
const SCRIPT = "outDir/__tslab__.js";

/** Writes a cell's script with the checks that let it be stopped; its map is kept, not written. */
function emitCell(
  ts: TypeScript,
  program: NotebookProgram,
  pass: Pass,
  write: ts.WriteFileCallback,
  transformers: ts.CustomTransformers,
): ts.EmitResult {
  const { file, continued } = pass.cell!;
  pass.topLevelAwait = hasTopLevelAwait(ts, file);
  const checker = program.program().getTypeChecker();
  const isEarlier = (node: ts.ShorthandPropertyAssignment) => {
    const symbol = checker.getShorthandAssignmentValueSymbol(node);
    return symbol !== undefined && program.scope.has(symbol);
  };
  return program.program().emit(
    file,
    (path, text, ...others) => {
      if (path.endsWith(".map")) pass.map = text;
      else write(SCRIPT, text, ...others);
    },
    undefined,
    false,
    {
      before: [instrument(ts, isEarlier)],
      after: [
        continuingNamespaces(ts, continued),
        unnamedLast(ts),
        lastBesideUsing(ts),
        ...(transformers.after ?? []),
        withoutReceiver(ts),
      ],
    },
  );
}

/** What tslab asks of the builder of a watched program. */
function builderOf(ts: TypeScript, notebook: Notebook, pass: Pass) {
  const { program, cellPath } = notebook;
  /** tslab asks which names of a cell are declared in the file around it. */
  const getSymbolAtLocation = (node: ts.Node) => {
    const symbol = program.program().getTypeChecker().getSymbolAtLocation(node);
    if (!symbol || !program.scope.has(symbol)) return undefined;
    return { declarations: [{ getSourceFile: () => pass.cell!.file.parent }] };
  };
  return {
    getProgram: () => ({ getTypeChecker: () => ({ getSymbolAtLocation }) }),
    getSourceFile(path: string) {
      const { file } = cellOf(notebook, pass);
      return path === cellPath || path === file.fileName ? withWrittenNames(ts, file) : file.parent;
    },
    // Local modules are compiled and run by the kernel, not by tslab.
    getAllDependencies: () => [cellPath],
    emit: (_file: ts.SourceFile, write: ts.WriteFileCallback, ...rest: unknown[]) =>
      emitCell(ts, program, pass, write, rest[2] as ts.CustomTransformers),
  };
}

/** Tells tslab of a new program now, and once after each round of changes to its files. */
function announcePrograms(host: WatchHost, builder: object): void {
  const announce = () => host.afterProgramCreate?.({ ...builder });
  let waiting = false;
  const rebuild = () => {
    waiting = false;
    announce();
  };
  for (const path of host.rootNames)
    host.sys.watchFile(path, () => {
      if (!waiting) host.sys.setTimeout!(rebuild, 0);
      waiting = true;
    });
  announce();
}

/** Whether a cell asks for something in a comment before its code; tslab's line before it hides that from the compiler. */
const asks = ({ text }: ts.SourceFile, what: string): boolean =>
  new RegExp(`^export \\{\\};\\n(?:\\s*//.*\\n|\\s*/\\*[\\s\\S]*?\\*/)*?\\s*//[ \\t]*${what}\\b`).test(text);

/** "Variable is used before being assigned". */
const UNASSIGNED = 2454;

/**
 * Whether a function uses a variable of its cell that has no value yet, which a later cell may give it. The compiler says
 * this of functions only where the whole file gives it none.
 */
function mayBeAssigned(ts: TypeScript, file: ts.SourceFile, { code, start }: ts.Diagnostic): boolean {
  if (code !== UNASSIGNED || start === undefined) return false;
  let node = (ts as unknown as Internals).getTokenAtPosition(file, start);
  if (!ts.isIdentifier(node) || !localsOf(file).has(node.escapedText as string)) return false;
  while (node && node !== file && !ts.isFunctionLike(node)) node = node.parent;
  return node !== file;
}

/** Syntax errors of a cell, or where there are none the errors of types. */
function diagnosticsOf(
  ts: TypeScript,
  notebook: NotebookProgram,
  file: ts.SourceFile,
): readonly ts.Diagnostic[] {
  const syntactic = notebook.program().getSyntacticDiagnostics(file);
  if (syntactic.length > 0 || asks(file, "@ts-nocheck")) return syntactic;
  const program = asks(file, "@no-strict") ? notebook.looseProgram() : notebook.program();
  return program
    .getSemanticDiagnostics(file)
    .filter((one) => one.code !== OUTSIDE_OF_ROOT && !mayBeAssigned(ts, file, one));
}

export function createFacade(options: FacadeOptions): Facade {
  const { ts, compilerOptions, importFolders } = options;
  const exports = gettersOf(ts);
  const replace = (name: string, value: unknown) =>
    Object.defineProperty(exports, name, { value, enumerable: true });
  const pass: Pass = { diagnostics: [], topLevelAwait: false, map: "" };
  const transpile = createTranspiler(ts, asCommonJS(ts));
  let notebook: Notebook | undefined;
  const service = () => notebook!.program.languageService();

  // tslab takes the working directory for the notebook's folder.
  replace("sys", Object.assign(Object.create(ts.sys), { getCurrentDirectory: () => importFolders[0] }));
  replace("createWatchCompilerHost", (rootNames: string[], _options: unknown, sys: WatchHost["sys"]) => ({
    rootNames,
    sys,
  }));
  replace("createWatchProgram", (host: WatchHost) => {
    notebook = notebookOf(host, options);
    announcePrograms(host, builderOf(ts, notebook, pass));
    return { close() {}, updateRootFileNames() {} };
  });
  replace("getPreEmitDiagnosticsOfFiles", () => {
    pass.diagnostics = diagnosticsOf(ts, notebook!.program, pass.cell!.file);
    return pass.diagnostics;
  });
  replace("transpileModule", (text: string) => {
    const isChecked = !pass.cell!.file.text.includes("@ts-");
    pass.script = cellScript(ts, transpile, { text, map: pass.map, isChecked });
    return { outputText: pass.script.code };
  });
  replace("getNullTransformationContext", () => exports.nullTransformationContext);
  replace("getDefaultTypeRoots", () => compilerOptions.typeRoots);
  replace("getQuickInfoAtPosition", (file: ts.SourceFile, _c: unknown, _t: unknown, position: number) =>
    service().getQuickInfoAtPosition(file.fileName, position),
  );
  replace("Completions", {
    getCompletionsAtPositionForTslab: (
      _h: unknown,
      _p: unknown,
      _l: unknown,
      file: ts.SourceFile,
      at: number,
    ) => service().getCompletionsAtPosition(file.fileName, at, {}),
  });
  return { exports, pass, program: () => notebook?.program };
}
