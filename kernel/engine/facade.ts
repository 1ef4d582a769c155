/**
 * The object that takes the place of tslab's fork of TypeScript: TypeScript as we loaded it, with the few functions
 * replaced that tslab calls to make its program (`createWatch...`), to read diagnostics and completions, and to write the
 * script.
 */
import type ts from "typescript";
import { hasTopLevelAwait, instrument } from "./instrument.ts";
import { unnamedLast } from "./last.ts";
import { createNotebookProgram, type NotebookProgram } from "./program.ts";
import {
  continuingNamespaces,
  globalsByName,
  isGlobal,
  printerOfDeclarations,
  withoutReceiver,
} from "./repairs.ts";
import { type CommonJS, toCommonJS } from "./script.ts";
import type { TypeScript } from "./typescript.ts";
import { withUnnamed } from "./unnamed.ts";

export interface FacadeOptions {
  readonly ts: TypeScript;
  readonly compilerOptions: ts.CompilerOptions;
  readonly rootFiles: readonly string[];
  readonly importFolders: readonly string[];
}

/** What tslab has a program made of. */
export interface Notebook {
  readonly program: NotebookProgram;
  readonly cellFile: string;
  readonly declarationsFile: string;
}

/** What is found out about a cell on its way through tslab, which has no place for it. */
export interface Pass {
  diagnostics: readonly ts.Diagnostic[];
  script?: CommonJS;
  topLevelAwait: boolean;
  /** The namespaces of the cell that earlier cells began. */
  continued: ReadonlySet<string>;
  /** What a reader should know of the cell's declarations. */
  notes: readonly string[];
  /** From the script before it became CommonJS to the cell. */
  map: string;
}

export interface Facade {
  readonly exports: Record<string, unknown>;
  readonly pass: Pass;
  /** Undefined until tslab's converter has made its program. */
  notebook(): Notebook | undefined;
}

/** What tslab hands to `createWatchCompilerHost`, and adds to what it gets back. */
interface WatchHost {
  rootNames: string[];
  sys: ts.System & { watchFile(path: string, changed: (path: string, kind: number) => void): ts.FileWatcher };
  afterProgramCreate?(builder: unknown): void;
}

/** `emit` with its last parameter, which has declarations written even where the compiler has something against them. */
type EmitAlways = (
  file: ts.SourceFile,
  write: ts.WriteFileCallback,
  cancel: undefined,
  onlyDeclarations: boolean,
  transformers: ts.CustomTransformers,
  always: boolean,
) => ts.EmitResult;

/** An import from outside of the notebook's folder, which matters only to those who write compiled files. */
const OUTSIDE_OF_ROOT = 6059;

const NEEDED_OF_TYPESCRIPT = [
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
  return {
    declarationsFile: rootNames.find((name) => name.endsWith(".d.ts"))!,
    cellFile: rootNames.find((name) => !name.endsWith(".d.ts"))!,
    program: createNotebookProgram({
      ...options,
      virtualFiles: new Set(rootNames),
      readVirtual: (path) => sys.readFile(path)!,
    }),
  };
}

/** Writes a cell's script with the checks that let it be stopped; its map is kept, not written. */
function emitCell(
  ts: TypeScript,
  program: ts.Program,
  pass: Pass,
  file: ts.SourceFile,
  write: ts.WriteFileCallback,
  transformers: ts.CustomTransformers,
): ts.EmitResult {
  pass.topLevelAwait = hasTopLevelAwait(ts, file);
  pass.notes = [];
  const checker = program.getTypeChecker();
  const isEarlier = (node: ts.ShorthandPropertyAssignment) => {
    const symbol = checker.getShorthandAssignmentValueSymbol(node);
    const isThere = symbol?.declarations?.some((declaration) => declaration.getSourceFile() === file.parent);
    return isThere === true && !isGlobal(ts, symbol!);
  };
  let declarations: Parameters<ts.WriteFileCallback> | undefined;
  const result = (program.emit as EmitAlways)(
    file,
    (...written) => {
      if (written[0].endsWith(".map")) pass.map = written[1];
      else if (written[0].endsWith(".d.ts")) declarations = written;
      else write(...written);
    },
    undefined,
    false,
    {
      ...transformers,
      before: [instrument(ts, isEarlier)],
      after: [
        continuingNamespaces(ts, pass.continued),
        unnamedLast(ts),
        ...(transformers.after ?? []),
        globalsByName(ts, checker),
        withoutReceiver(ts),
      ],
    },
    true,
  );
  if (!declarations) return result;
  const [path, text, ...others] = declarations;
  const unwritten = result.diagnostics.flatMap(({ start }) => start ?? []);
  const { text: declared, notes } = withUnnamed(ts, checker, file, text, unwritten);
  pass.notes = notes;
  write(path, declared, ...others);
  return result;
}

/** What tslab asks of the builder of a watched program. */
const builderOf = (ts: TypeScript, { program }: Notebook, pass: Pass) => ({
  getProgram: () => program.program(),
  getSourceFile: (path: string) => program.sourceFile(path),
  // Local modules are compiled and run by the kernel, not by tslab.
  getAllDependencies: (file: ts.SourceFile) => [file.fileName],
  emit: (file: ts.SourceFile, write: ts.WriteFileCallback, ...rest: unknown[]) =>
    emitCell(ts, program.program(), pass, file, write, rest[2] as ts.CustomTransformers),
});

/** Tells tslab of a new program now, and once after each round of changes to its files. */
function announcePrograms(host: WatchHost, builder: object, { program }: Notebook): void {
  const announce = () => host.afterProgramCreate?.({ ...builder });
  let waiting = false;
  const rebuild = () => {
    waiting = false;
    announce();
  };
  for (const path of host.rootNames)
    host.sys.watchFile(path, () => {
      program.changed(path);
      if (!waiting) host.sys.setTimeout!(rebuild, 0);
      waiting = true;
    });
  announce();
}

/** A cell that asks not to be checked, before its code; tslab's line before it keeps the compiler from seeing that. */
const NO_CHECK = /^export \{\};\n(?:\s*\/\/.*\n|\s*\/\*[\s\S]*?\*\/)*?\s*\/\/[ \t]*@ts-nocheck\b/;

/** Syntax errors of each file, or where there are none the errors of types. */
function diagnosticsOf(program: ts.Program, files: readonly ts.SourceFile[]): ts.Diagnostic[] {
  return files.flatMap((file) => {
    const syntactic = program.getSyntacticDiagnostics(file);
    const isChecked = syntactic.length === 0 && !NO_CHECK.test(file.text);
    const found: readonly ts.Diagnostic[] = isChecked ? program.getSemanticDiagnostics(file) : syntactic;
    return found.filter(({ code }) => code !== OUTSIDE_OF_ROOT);
  });
}

export function createFacade(options: FacadeOptions): Facade {
  const { ts, compilerOptions, importFolders } = options;
  const exports = gettersOf(ts);
  const replace = (name: string, value: unknown) =>
    Object.defineProperty(exports, name, { value, enumerable: true });
  const pass: Pass = { diagnostics: [], topLevelAwait: false, continued: new Set(), notes: [], map: "" };
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
    announcePrograms(host, builderOf(ts, notebook, pass), notebook);
    return { close() {}, updateRootFileNames() {} };
  });
  replace("getPreEmitDiagnosticsOfFiles", (program: ts.Program, files: ts.SourceFile[]) => {
    pass.diagnostics = diagnosticsOf(program, files);
    return pass.diagnostics;
  });
  replace("transpileModule", (text: string) => {
    pass.script = toCommonJS(ts, text, { firstMap: pass.map, shareVariables: true });
    return { outputText: pass.script.code };
  });
  replace("createPrinter", () => printerOfDeclarations(ts));
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
  return { exports, pass, notebook: () => notebook };
}
