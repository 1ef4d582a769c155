/** The files of a notebook's program on disk: each is parsed once, and again when it has been edited. */
import type ts from "typescript";
import type { TypeScript } from "./typescript.ts";

export interface ProgramFiles {
  parse(path: string, text: string): ts.SourceFile;
  read(path: string): ts.SourceFile | undefined;
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
  /** Time of the last change of a file that a user may be editing; undefined for libraries, which do not change. */
  readonly modified?: number;
}

/** Whether a user may be editing `path` while the notebook runs. */
export const isEdited = (path: string) => !path.includes("/node_modules/");

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

  return {
    parse,
    read(path) {
      const cached = files.get(path);
      if (cached) return cached.file;
      const text = ts.sys.readFile(path);
      const file = text === undefined ? undefined : parse(path, text);
      files.set(path, { file, modified: modified(path) });
      return file;
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
