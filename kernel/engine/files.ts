/** The files of a notebook's program on disk: each is parsed once, and again when it has been edited. */
import type ts from "typescript";
import { type LazyFile, lazyFile } from "./lazy.ts";
import type { TypeScript } from "./typescript.ts";

export interface ProgramFiles {
  parse(path: string, text: string): ts.SourceFile;
  /** Finds out what a file declares, once. */
  bind(file: ts.SourceFile): ts.SourceFile;
  /** The file at a path, as programs have it: of a library's that declares modules alone, what these are called. */
  read(path: string): ts.SourceFile | undefined;
  /**
   * A library's file with all that has been asked for of it, bound: the one that a program has, or where none has it that
   * at the path.
   */
  readBound(path: string, inProgram: ts.SourceFile | undefined): ts.SourceFile | undefined;
  /** Drops what has been edited since it was read. */
  checkEdits(): void;
  /** Forgets what was not found, so that a package installed meanwhile is found. */
  forgetFailures(): void;
  /** What a specifier means in a file of one of some paths, the first that has it. */
  resolve(name: string, from: readonly string[]): ts.ResolvedModuleFull | undefined;
  /** How often something was dropped or forgotten. */
  readonly changes: number;
}

interface CachedFile {
  readonly file: ts.SourceFile | undefined;
  readonly whole?: LazyFile["whole"];
  /** Time of the last change of a file that a user may be editing; undefined for libraries, which do not change. */
  readonly modified?: number;
}

/** Whether a user may be editing `path` while the notebook runs. */
export const isEdited = (path: string) => !path.includes("/node_modules/");

/** Whether a path is of a library's declarations. */
export const isLibraryFile = (path: string) => path.endsWith(".d.ts") && !isEdited(path);

/** A function of the compiler that its declarations leave out. */
interface Internals {
  bindSourceFile(file: ts.SourceFile, options: ts.CompilerOptions): void;
}

/** Finds out what a file declares, once. */
export function bindFile(ts: TypeScript, file: ts.SourceFile, options: ts.CompilerOptions): ts.SourceFile {
  (ts as unknown as Internals).bindSourceFile(file, options);
  return file;
}

/** A file with the names that a program would give it. */
export const named = (file: ts.SourceFile): ts.SourceFile =>
  Object.assign(file, { path: file.fileName, resolvedPath: file.fileName, originalFileName: file.fileName });

/** A file that refers to no other, as far as a program wants to know. */
export const alone = (file: ts.SourceFile): ts.SourceFile =>
  Object.assign(file, { imports: [], moduleAugmentations: [], ambientModuleNames: [] });

export const errorsOf = (file: ts.SourceFile): readonly ts.Diagnostic[] =>
  (file as ts.SourceFile & { parseDiagnostics: readonly ts.Diagnostic[] }).parseDiagnostics;

export function createFiles(
  ts: TypeScript,
  compilerOptions: ts.CompilerOptions,
  folder: string,
): ProgramFiles {
  const files = new Map<string, CachedFile>();
  const newResolutions = () => ts.createModuleResolutionCache(folder, (name) => name, compilerOptions);
  let resolutions = newResolutions();
  let versions = 0;
  let changes = 0;

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
    return Object.assign(file, { version: String(versions++) });
  }

  const bind = (file: ts.SourceFile) => bindFile(ts, file, compilerOptions);

  function load(path: string): CachedFile {
    const text = ts.sys.readFile(path);
    if (text === undefined) return { file: undefined, modified: modified(path) };
    const lazy = isLibraryFile(path) ? lazyFile((text) => bind(parse(path, text)), text) : undefined;
    return lazy ?? { file: parse(path, text), modified: modified(path) };
  }

  function cached(path: string): CachedFile {
    const known = files.get(path);
    if (known) return known;
    const loaded = load(path);
    files.set(path, loaded);
    return loaded;
  }

  return {
    parse,
    bind,
    read: (path) => cached(path).file,
    readBound(path, inProgram) {
      const { file, whole } = cached(path);
      const known = whole?.() ?? inProgram;
      return known ?? (file && bind(named(file)));
    },
    checkEdits() {
      for (const [path, { modified: before }] of files) {
        if (before === undefined || modified(path) === before) continue;
        files.delete(path);
        changes++;
      }
    },
    forgetFailures() {
      for (const [path, { file }] of files) if (!file) files.delete(path);
      resolutions = newResolutions();
      changes++;
    },
    resolve(name, from) {
      for (const path of from) {
        const { resolvedModule } = ts.resolveModuleName(name, path, compilerOptions, ts.sys, resolutions);
        if (resolvedModule) return resolvedModule;
      }
      return undefined;
    },
    get changes() {
      return changes;
    },
  };
}
