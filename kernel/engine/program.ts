/**
 * The TypeScript program of a notebook: what its cells import, in a program that is made anew only when that changes,
 * and the cells themselves, which its checker is shown one after another. A checker costs more than most cells, so that
 * one serves hundreds of them.
 */
import { isBuiltin } from "node:module";
import { join } from "node:path";
import type ts from "typescript";
import { addedNames, annotated, continued, isAugmenting, localsOf } from "./declarations.ts";
import { alone, createFiles, errorsOf, isEdited, isLibraryFile, named } from "./files.ts";
import { createScope, type Scope } from "./scope.ts";
import type { TypeScript } from "./typescript.ts";

export interface ProgramOptions {
  readonly ts: TypeScript;
  readonly compilerOptions: ts.CompilerOptions;
  /** Root files on disk (the kernel's globals). */
  readonly rootFiles: readonly string[];
  /** Folders from which an import in a cell is resolved, in order: the notebook's, the project's, the kernel's. */
  readonly importFolders: readonly string[];
}

/** A cell as the compiler sees it. */
export interface CellFile {
  readonly file: ts.SourceFile;
  /** Its namespaces that earlier cells began. */
  readonly continued: ReadonlySet<string>;
}

export interface NotebookProgram {
  /** The names that cells have declared. */
  readonly scope: Scope;
  /** Parses the text of the next cell, which sees what has been declared so far. */
  enter(text: string): CellFile;
  /** Declares the names of a cell, which readers know as `label`, for those that come after it. */
  declare(cell: CellFile, label: string): void;
  /** What the compiler says, with names for files that only it knows: `A of cell[3]` for `import("…").A`. */
  readable(text: string): string;
  /** The program, whose checker knows the cell that was entered last and all that are declared. */
  program(): ts.Program;
  /** The same without TypeScript's strict checks, for cells that ask for that. */
  looseProgram(): ts.Program;
  /** The file of a path: a cell's, or one on disk. */
  sourceFile(path: string): ts.SourceFile | undefined;
  /** Looks anew at the next cell for what was not found: it may be installed by then. */
  forgetFailures(): void;
  /** Local modules of the program that have not been asked for since they were last edited. */
  newModules(): ts.SourceFile[];
  /** Completion and inspection, over the very files and the checker of the program. */
  languageService(): ts.LanguageService;
}

/** A function of programs that their declarations leave out. */
type ProgramInternals = ts.Program & {
  getResolvedModule(
    file: ts.SourceFile,
    name: string,
    mode: ts.ResolutionMode,
  ): { resolvedModule: ts.ResolvedModuleFull | undefined } | undefined;
};

/** After how many texts the checker is made anew, which frees what it knows of those that are gone. */
const TEXTS_A_CHECKER = 400;

/** What follows the folder in the paths of cells. */
const CELL = /\/__cell\d+__\.tsx?$/;
const TYPE_OF_CELL = /import\("([^"]*\/__cell\d+__)"\)\.([\w$.]+)/g;

/** Whether a path is a cell's. */
export const isCellPath = (path: string): boolean => CELL.test(path);

/** Whether a path is one of the declarations of Node. */
const isOfNode = (path: string): boolean => path.includes("/node_modules/@types/node/");

/** Packages that make something of JSX; the first that is installed does, unless a cell names one by `@jsxImportSource`. */
const JSX_RUNTIMES = ["react", "preact", "hono/jsx"];

export function createNotebookProgram(options: ProgramOptions): NotebookProgram {
  const { ts, compilerOptions, rootFiles, importFolders } = options;
  const [folder] = importFolders;
  /** A file without code that imports what cells import. */
  const importsPath = join(folder, "__imports__.ts");
  const files = createFiles(ts, compilerOptions, folder);
  /** Where a cell's imports are looked for. */
  const places = importFolders.map((at) => join(at, "cell.ts"));
  const reported = new WeakSet<ts.SourceFile>();
  const imported = new Set<string>();
  /** Cells that add to what is global, or to a module: they are part of each program. */
  let augmenting: readonly ts.SourceFile[] = [];
  const isCell = new WeakSet<ts.SourceFile>();
  const labels = new WeakMap<ts.SourceFile, string>();
  const extended = new WeakSet<ts.Program>();
  let current: ts.SourceFile | undefined;
  let imports: ts.SourceFile | undefined;
  let cells = 0;
  let texts = 0;
  let checkers = 0;
  let mayBeInstalled = false;
  let unfinished = false;
  const strict = service(compilerOptions);
  const loose = service({ ...compilerOptions, strict: false });

  const importsText = () =>
    [
      `// ${checkers} ${files.changes}`,
      ...[...imported].map((name) => `import ${JSON.stringify(name)};`),
      "export {};",
    ].join("\n");

  function getSourceFile(path: string): ts.SourceFile | undefined {
    if (path === importsPath) {
      const text = importsText();
      if (imports?.text !== text) imports = files.parse(importsPath, text);
      return imports;
    }
    return cellOf(path) ?? files.read(path);
  }

  const cellOf = (path: string) => (current?.fileName === path ? current : scope.files.get(path));

  const isNotebooks = (path: string) => path === importsPath || cellOf(path) !== undefined;

  /** Lets a cell's imports be part of the program. */
  function noteImports(text: string): void {
    if (!/\b(import|require|from|reference)\b/.test(text)) return;
    const { importedFiles, typeReferenceDirectives } = ts.preProcessFile(text, true, true);
    for (const { fileName } of [...importedFiles, ...typeReferenceDirectives]) {
      if (!isBuiltin(fileName)) imported.add(fileName);
    }
  }

  function renewChecker(): void {
    texts = 0;
    checkers++;
    scope.sweep(augmenting);
  }

  function parseCell(text: string): ts.SourceFile {
    const name = join(folder, `__cell${++cells}__`);
    const file = files.parse(`${name}.ts`, text);
    if (errorsOf(file).length === 0 || !/<[\w>]/.test(text)) return file;
    const withElements = files.parse(`${name}.tsx`, text);
    if (errorsOf(withElements).length > 0) return file;
    const [, named] = /@jsxImportSource\s+(\S+)/.exec(text) ?? [];
    const source =
      named ?? JSX_RUNTIMES.find((one) => files.resolve(`${one}/jsx-runtime`, places)) ?? JSX_RUNTIMES[0];
    const { pragmas } = withElements as unknown as { pragmas: Map<string, unknown> };
    pragmas.set("jsximportsource", { arguments: { factory: source } });
    imported.add(`${source}/jsx-runtime`);
    return withElements;
  }

  function enter(text: string): CellFile {
    files.checkEdits();
    if (mayBeInstalled) files.forgetFailures();
    mayBeInstalled = false;
    if (++texts > TEXTS_A_CHECKER) renewChecker();
    const file = parseCell(text);
    named(file);
    // What a program finds out of its files; of those that add to what is global it must find it.
    if (!isAugmenting(ts, file)) alone(file);
    files.bind(file);
    // The name of a `declare global` is no variable, which tslab would export.
    localsOf(file).delete("__global");
    const names = continued(ts, file, scope.latest);
    Object.assign(file, { parent: scope.enter() });
    isCell.add(file);
    current = file;
    noteImports(text);
    return { file, continued: names };
  }

  /** Shows the checker of a program what the program does not hold: the cells, and what is read when it is needed. */
  function extend(program: ProgramInternals): void {
    const { getSourceFile: find, getResolvedModule } = program;
    program.getSourceFile = (path) => {
      const file = getSourceFile(path);
      if (file && isCell.has(file)) return file;
      return isLibraryFile(path) ? files.readBound(path, find(path)) : find(path);
    };
    program.getResolvedModule = (file, name, mode) => {
      const from = isCell.has(file) ? places : [file.fileName];
      const found = isCell.has(file) ? undefined : getResolvedModule(file, name, mode);
      return found?.resolvedModule ? found : { resolvedModule: files.resolve(name, from) };
    };
    extended.add(program);
  }

  function programOf({ getProgram }: ts.LanguageService): ts.Program {
    // Stopped or failed half-way, the compiler would take its work for done.
    if (unfinished) checkers++;
    unfinished = true;
    const made = getProgram() as ProgramInternals;
    unfinished = false;
    if (!extended.has(made)) extend(made);
    return made;
  }

  /** The cells that augment once `file` does, too: it takes the place of those that add nothing else, as when edited. */
  function withAugmenting(file: ts.SourceFile | undefined): readonly ts.SourceFile[] {
    if (!file || !isAugmenting(ts, file) || augmenting.includes(file)) return augmenting;
    const added = addedNames(ts, file);
    const isReplaced = (earlier: ts.SourceFile) =>
      [...addedNames(ts, earlier)].every((name) => added.has(name));
    return [...augmenting.filter((earlier) => !isReplaced(earlier)), file];
  }
  const rootNames = () => [
    importsPath,
    ...rootFiles,
    ...withAugmenting(current).map(({ fileName }) => fileName),
  ];

  function service(settings: ts.CompilerOptions): () => ts.LanguageService {
    let made: ts.LanguageService | undefined;
    return () => (made ??= createService(settings));
  }

  function createService(settings: ts.CompilerOptions): ts.LanguageService {
    const registry = ts.createDocumentRegistry(true, folder);
    const acquire = (path: string) => getSourceFile(path)!;
    registry.acquireDocumentWithKey = acquire as typeof registry.acquireDocumentWithKey;
    registry.updateDocumentWithKey = acquire as typeof registry.updateDocumentWithKey;
    registry.releaseDocumentWithKey = () => {};
    return ts.createLanguageService(
      {
        getProjectVersion: () => [checkers, files.changes, imported.size, ...rootNames()].join(),
        getCompilationSettings: () => settings,
        getScriptFileNames: rootNames,
        getScriptVersion: (path) => (getSourceFile(path) as { version?: string } | undefined)?.version ?? "",
        getScriptSnapshot: (path) => {
          const file = getSourceFile(path);
          return file && ts.ScriptSnapshot.fromString(file.text);
        },
        getCurrentDirectory: () => folder,
        getDefaultLibFileName: () => ts.getDefaultLibFilePath(compilerOptions),
        fileExists: (path) => path === importsPath || ts.sys.fileExists(path),
        readFile: (path) => getSourceFile(path)?.text,
        directoryExists: ts.sys.directoryExists,
        getDirectories: ts.sys.getDirectories,
        realpath: ts.sys.realpath,
        useCaseSensitiveFileNames: () => true,
        resolveModuleNameLiterals: (literals, containing) =>
          literals.map(({ text }) => ({
            // What Node's types are made of elsewhere is found when it is needed.
            resolvedModule: isOfNode(containing)
              ? undefined
              : files.resolve(text, isNotebooks(containing) ? places : [containing]),
          })),
      },
      registry,
    );
  }

  const scope = createScope(ts, files.bind(files.parse(join(folder, "__names__.ts"), "export {};")));

  return {
    scope,
    enter,
    program: () => programOf(strict()),
    looseProgram: () => programOf(loose()),
    sourceFile: (path) =>
      isLibraryFile(path) ? files.readBound(path, files.read(path)) : getSourceFile(path),
    declare(cell, label) {
      const text = annotated(ts, cell.file);
      const { file } = text === undefined ? cell : enter(text);
      labels.set(file, label);
      augmenting = withAugmenting(file);
      scope.declare(file, localsOf(file));
    },
    readable: (text) =>
      text.replace(TYPE_OF_CELL, (_, path, name) => {
        const file = cellOf(`${path}.ts`) ?? cellOf(`${path}.tsx`);
        const label = file && labels.get(file);
        return label === undefined ? name : `${name} of ${label}`;
      }),
    forgetFailures() {
      mayBeInstalled = true;
    },
    newModules() {
      const found = programOf(strict())
        .getSourceFiles()
        .filter((file) => !file.isDeclarationFile && isEdited(file.fileName) && !isCell.has(file))
        .filter(
          ({ fileName }) =>
            fileName !== importsPath && !rootFiles.includes(fileName) && !fileName.endsWith(".json"),
        )
        .filter((file) => !reported.has(file));
      for (const file of found) reported.add(file);
      return found;
    },
    languageService() {
      programOf(strict());
      return strict();
    },
  };
}
