/**
 * The TypeScript program of a notebook: the cell being compiled, the declarations of earlier cells, and what they
 * import. Each update makes one program, which shares every unchanged file with the one before.
 */
import { dirname, join } from "node:path";
import type ts from "typescript";
import type { TypeScript } from "./typescript.ts";

export interface ProgramOptions {
  readonly ts: TypeScript;
  readonly compilerOptions: ts.CompilerOptions;
  /** The cell and the declarations, which are not on disk. */
  readonly virtualFiles: ReadonlySet<string>;
  readonly readVirtual: (path: string) => string;
  /** Root files on disk besides the virtual ones (the kernel's globals). */
  readonly rootFiles: readonly string[];
  /** Folders from which an import in a cell is resolved, in order: the notebook's, the project's, the kernel's. */
  readonly importFolders: readonly string[];
}

export interface NotebookProgram {
  /** The source file of a path, parsed and (for the virtual ones) bound, without making a program. */
  sourceFile(path: string): ts.SourceFile | undefined;
  /** The program of the current texts. */
  program(): ts.Program;
  /** Says that a virtual file's text has changed. */
  changed(path: string): void;
  /** Parses a file again when it is next needed. */
  forget(path: string): void;
  /** Forgets what was not found, so that a package installed meanwhile is found. */
  forgetFailures(): void;
  /** Local modules of the program that have not been asked for since they were last edited. */
  newModules(): ts.SourceFile[];
  languageService(): ts.LanguageService;
}

/** Functions of the compiler that its declarations leave out. */
interface Internals {
  bindSourceFile(file: ts.SourceFile, options: ts.CompilerOptions): void;
}

interface CachedFile {
  readonly file: ts.SourceFile | undefined;
  /** Time of the last change of a file that a user may be editing; undefined for libraries, which do not change. */
  readonly modified?: number;
}

/** Whether a user may be editing `path` while the notebook runs. */
const isEdited = (path: string) => !path.includes("/node_modules/");

export function createNotebookProgram(options: ProgramOptions): NotebookProgram {
  const { ts, compilerOptions, virtualFiles, readVirtual, rootFiles, importFolders } = options;
  const { bindSourceFile } = ts as unknown as Internals;
  const files = new Map<string, CachedFile>();
  const reported = new WeakSet<ts.SourceFile>();
  let versions = 0;
  let current: ts.Program | undefined;
  let previous: ts.Program | undefined;
  let resolutions = ts.createModuleResolutionCache(importFolders[0], (name) => name, compilerOptions);
  let service: ts.LanguageService | undefined;

  const modified = (path: string) => (isEdited(path) ? ts.sys.getModifiedTime?.(path)?.getTime() : undefined);

  function parse(path: string, text: string): ts.SourceFile {
    // Comments of declaration files are parsed only when they are asked for: a third of the start would go to them.
    const jsDocParsingMode = path.endsWith(".d.ts")
      ? ts.JSDocParsingMode.ParseNone
      : ts.JSDocParsingMode.ParseAll;
    const file = ts.createSourceFile(path, text, {
      languageVersion: compilerOptions.target!,
      jsDocParsingMode,
    });
    (file as ts.SourceFile & { version: string }).version = String(versions++);
    return file;
  }

  function getSourceFile(path: string): ts.SourceFile | undefined {
    const cached = files.get(path);
    if (cached) return cached.file;
    const text = virtualFiles.has(path) ? readVirtual(path) : ts.sys.readFile(path);
    const file = text === undefined ? undefined : parse(path, text);
    files.set(path, { file, modified: virtualFiles.has(path) ? undefined : modified(path) });
    return file;
  }

  function resolve(name: string, from: string): ts.ResolvedModuleFull | undefined {
    const places = virtualFiles.has(from) ? importFolders.map((folder) => join(folder, "cell.ts")) : [from];
    for (const place of places) {
      const { resolvedModule } = ts.resolveModuleName(name, place, compilerOptions, host, resolutions);
      if (resolvedModule) return resolvedModule;
    }
    return undefined;
  }

  const host: ts.CompilerHost = {
    getSourceFile,
    getDefaultLibFileName: (o) => ts.getDefaultLibFilePath(o),
    getDefaultLibLocation: () => dirname(ts.getDefaultLibFilePath(compilerOptions)),
    writeFile() {},
    getCurrentDirectory: () => importFolders[0],
    getCanonicalFileName: (name) => name,
    useCaseSensitiveFileNames: () => true,
    getNewLine: () => "\n",
    fileExists: (path) => virtualFiles.has(path) || ts.sys.fileExists(path),
    readFile: (path) => (virtualFiles.has(path) ? readVirtual(path) : ts.sys.readFile(path)),
    directoryExists: ts.sys.directoryExists,
    getDirectories: ts.sys.getDirectories,
    realpath: ts.sys.realpath,
    // Its package.json cache tells the format of every file of the program, at each update.
    getModuleResolutionCache: () => resolutions,
    resolveModuleNameLiterals: (literals, containing) =>
      literals.map(({ text }) => ({ resolvedModule: resolve(text, containing) })),
  };

  /** Drops files edited since they were read. */
  function checkEdits() {
    for (const [path, { modified: before }] of files) {
      if (before !== undefined && modified(path) !== before) {
        files.delete(path);
        current = undefined;
      }
    }
  }

  function program(): ts.Program {
    if (!current) {
      current = ts.createProgram([...virtualFiles, ...rootFiles], compilerOptions, host, previous);
      previous = current;
    }
    return current;
  }

  return {
    sourceFile(path) {
      const file = getSourceFile(path);
      if (file && virtualFiles.has(path) && !(file as ts.SourceFile & { locals?: unknown }).locals)
        bindSourceFile(file, compilerOptions);
      // The name of a `declare global` is no variable, which tslab would export.
      (file as { locals?: Map<string, unknown> } | undefined)?.locals?.delete("__global");
      return file;
    },
    program,
    changed(path) {
      // tslab says so at each update, of both its files.
      if (files.get(path)?.file?.text !== readVirtual(path)) {
        files.delete(path);
        current = undefined;
      }
      checkEdits();
    },
    forget(path) {
      files.delete(path);
      current = undefined;
    },
    forgetFailures() {
      for (const [path, { file }] of files) if (!file) files.delete(path);
      resolutions = ts.createModuleResolutionCache(importFolders[0], (name) => name, compilerOptions);
      current = undefined;
      previous = undefined;
    },
    newModules() {
      const found = program()
        .getSourceFiles()
        .filter(
          (file) => !file.isDeclarationFile && isEdited(file.fileName) && !virtualFiles.has(file.fileName),
        )
        .filter(
          (file) =>
            !rootFiles.includes(file.fileName) && !file.fileName.endsWith(".json") && !reported.has(file),
        );
      for (const file of found) reported.add(file);
      return found;
    },
    languageService() {
      service ??= createService();
      return service;
    },
  };

  /** Completion and inspection, over the very files of the program. */
  function createService(): ts.LanguageService {
    const registry = ts.createDocumentRegistry(true, importFolders[0]);
    const acquire = (path: string) => getSourceFile(path)!;
    registry.acquireDocumentWithKey = acquire as typeof registry.acquireDocumentWithKey;
    registry.updateDocumentWithKey = acquire as typeof registry.updateDocumentWithKey;
    registry.releaseDocumentWithKey = () => {};
    const version = (path: string) =>
      (getSourceFile(path) as { version?: string } | undefined)?.version ?? "";
    return ts.createLanguageService(
      {
        getCompilationSettings: () => compilerOptions,
        getScriptFileNames: () => [...virtualFiles, ...rootFiles],
        getScriptVersion: version,
        getScriptSnapshot: (path) => {
          const file = getSourceFile(path);
          return file && ts.ScriptSnapshot.fromString(file.text);
        },
        getCurrentDirectory: host.getCurrentDirectory,
        getDefaultLibFileName: host.getDefaultLibFileName,
        fileExists: host.fileExists,
        readFile: host.readFile,
        directoryExists: host.directoryExists,
        getDirectories: host.getDirectories,
        realpath: host.realpath,
        useCaseSensitiveFileNames: () => true,
        resolveModuleNameLiterals: host.resolveModuleNameLiterals,
      },
      registry,
    );
  }
}
