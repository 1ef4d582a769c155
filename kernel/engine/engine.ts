/** A notebook's language: compiles and runs cells, completes and explains code. Knows nothing of messages. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type ts from "typescript";
import { packageRoot } from "../install/build.ts";
import { ownCell } from "../runtime/cell.ts";
import { awaited, orInterrupt, orInterrupted } from "../runtime/interrupt.ts";
import { sparingMemory } from "../runtime/memory.ts";
import {
  type Completion,
  complete,
  type Inspection,
  inspect,
  isComplete,
  isGrammatical,
  namesIn,
  sourceOf,
} from "./assist.ts";
import {
  CompilationError,
  describeCellDiagnostics,
  describeDiagnostics,
  describeError,
  type Failure,
} from "./errors.ts";
import { inBrackets, objectAtEnd } from "./last.ts";
import { createLoader } from "./modules.ts";
import { run } from "./run.ts";
import { nameSource, registerSource } from "./sources.ts";
import { importsFor } from "./suggest.ts";
import { createConverter } from "./tslab.ts";
import { loadTypeScript, type TypeScript } from "./typescript.ts";

export type Outcome = { status: "ok"; value: unknown } | ({ status: "error" } & Failure);

export interface Engine {
  /** Runs a cell, whose code appears in stacks as `name`. Never rejects. */
  run(code: string, name: string): Promise<Outcome>;
  /** The value of an expression in the notebook's scope, which it leaves as it is. Rejects with what it throws. */
  evaluate(expression: string): Promise<unknown>;
  /** The variables, functions and classes that cells have declared, with their types as text. */
  names(): { name: string; type: string }[];
  /** The value of a name of the notebook, or of a global one, unless it takes a getter to know. */
  liveValue(name: string): unknown;
  /** The variables of the notebook. */
  readonly variables: Record<string, unknown>;
  /** Gives the notebook a variable, or an existing one a value, as if a cell had done so. */
  declare(name: string, value: unknown): void;
  /** The compiler. */
  readonly ts: TypeScript;
  /** Whether code has the language's grammar, whatever its names mean. */
  isGrammatical(code: string): boolean;
  complete(code: string, cursor: number): Completion;
  inspect(code: string, cursor: number, detail: number): Inspection | undefined;
  /** How a name was declared, in a cell or in a file. */
  sourceOf(name: string): string | undefined;
  isComplete(code: string): { status: "complete" | "incomplete" | "invalid"; indent?: string };
  /** Whether cells have imported something since `warm` was last called. */
  readonly imported: boolean;
  /** Compiles and completes a line, which makes the next cell and the next Tab fast. */
  warm(): void;
  /** Compiles a cell for practice: V8 makes code faster that has run a few times. */
  practise(): void;
  /** For idle moments: keeps what makes the next start fast. */
  saveCaches(): void;
  close(): void;
}

/** A cell of what cells are made of. */
const PRACTICE = `const one = { index: 1, name: "one" };
let several = [one];
function next(n: number) { return n + one.index }
several.map(({ index }) => next(index))`;

export interface EngineOptions {
  /** The notebook's folder; imports are relative to it, then to its project. */
  readonly folder: string;
  /** Declarations of the globals that a kernel gives to cells. */
  readonly globals: readonly string[];
  readonly provided?: ReadonlyMap<string, () => unknown>;
}

function findUp(folder: string, name: string): string | undefined {
  for (let at = folder; ; at = dirname(at)) {
    if (existsSync(join(at, name))) return at;
    if (dirname(at) === at) return undefined;
  }
}

/** The type roots that a project would use; the kernel's own Node types where it has none. */
function typeRoots(folders: readonly string[]): string[] {
  const roots: string[] = [];
  for (const folder of folders)
    for (let at: string | undefined = folder; at; at = dirname(at) === at ? undefined : dirname(at))
      roots.push(join(at, "node_modules/@types"));
  const own = dirname(dirname(createRequire(import.meta.url).resolve("@types/node/package.json")));
  return [...new Set([...roots, own])].filter((root) => existsSync(root));
}

function compilerOptions(ts: TypeScript, folder: string, roots: string[]): ts.CompilerOptions {
  return {
    target: ts.ScriptTarget.ES2022,
    lib: ["lib.es2023.d.ts", "lib.esnext.disposable.d.ts"],
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    customConditions: ["node"],
    allowImportingTsExtensions: true,
    resolveJsonModule: true,
    // What the interop checks on top would resolve all that tfjs exports, for each cell anew.
    esModuleInterop: false,
    allowSyntheticDefaultImports: true,
    strict: true,
    skipLibCheck: true,
    allowJs: true,
    allowUnreachableCode: true,
    allowUnusedLabels: true,
    jsx: ts.JsxEmit.ReactJSX,
    types: ["node"],
    typeRoots: roots,
    sourceMap: true,
    newLine: ts.NewLineKind.LineFeed,
    rootDir: folder,
    // The name under which tslab expects what is emitted.
    outDir: "outDir",
  };
}

/** `promise`, which the stop button gives up where a cell waits for it. */
function unlessInterrupted<T>(promise: Promise<T>): Promise<T> {
  const cell = ownCell();
  return cell ? orInterrupted(promise, cell) : promise;
}

/** The code of the cell that `code` is all or a part of. */
function wholeCell(code: string): string {
  const whole = ownCell()?.request.content.code;
  return typeof whole === "string" ? whole : code;
}

export function createEngine({ folder, globals, provided = new Map() }: EngineOptions): Engine {
  const { ts, saveCodeCache } = loadTypeScript();
  const own = packageRoot();
  const importFolders = [folder, findUp(folder, "package.json") ?? folder, own];
  const converter = sparingMemory(() =>
    createConverter({
      ts,
      compilerOptions: compilerOptions(ts, folder, typeRoots([folder, own])),
      rootFiles: globals,
      importFolders,
    }),
  );
  const loader = createLoader({ ts, importFolders, provided });
  const cellFile = join(folder, "cell.ts");
  const exports: Record<string, unknown> = {};
  let imported = false;
  const liveValue = (name: string): unknown =>
    Object.getOwnPropertyDescriptor(Object.hasOwn(exports, name) ? exports : globalThis, name)?.value;

  async function execute(code: string, name: string, keep: boolean): Promise<unknown> {
    const object = objectAtEnd(ts, code);
    const { diagnostics, warnings, script, topLevelAwait, lastExpression, cell } = sparingMemory(() =>
      converter.convert(object === undefined ? code : inBrackets(code, object)),
    );
    if (diagnostics.length > 0) {
      // "Cannot find module": it may be installed before the cell is tried again.
      if (diagnostics.some((diagnostic) => diagnostic.code === 2307 || diagnostic.code === 7016))
        converter.program.forgetFailures();
      const { readable } = converter.program;
      const imports = sparingMemory(() => importsFor(ts, converter.program, diagnostics));
      const shown = { name, code, bracket: object, imports };
      throw new CompilationError(describeCellDiagnostics(ts, diagnostics, shown, readable));
    }
    if (!script) return undefined;
    if (warnings.length > 0)
      process.stderr.write(`${describeDiagnostics(ts, warnings).traceback.join("\n")}\n`);
    const origin = {
      script,
      text: code,
      before: 1,
      bracket: object,
      variables: exports,
      cell: wholeCell(code),
    };
    nameSource(name, origin);
    const source = keep ? registerSource(name, origin) : undefined;
    imported ||= script.imports.size > 0;
    const require = await unlessInterrupted(loader.requireFor(script, cellFile, name));
    // Declared from here on, even if the cell fails half-way: what it had assigned by then stays usable.
    if (keep) converter.program.declare(cell, name);
    await run(script, {
      name,
      source,
      topLevelAwait,
      scope: {
        exports,
        require,
        __require: require,
        __filename: cellFile,
        __dirname: folder,
        __import: (specifier: string) => loader.loadNamespace(specifier, cellFile),
        __importMeta: loader.importMeta(cellFile),
      },
    });
    if (lastExpression === undefined) return undefined;
    const value = exports[lastExpression];
    delete exports[lastExpression];
    // As if the cell had awaited it.
    return awaited(value);
  }

  return {
    async run(code, name) {
      try {
        return { status: "ok", value: await execute(code, name, true) };
      } catch (error) {
        return { status: "error", ...describeError(orInterrupt(error)) };
      }
    },
    evaluate: (expression) => execute(`(${expression}\n)`, "expression", false),
    names: () => sparingMemory(() => namesIn(ts, converter.program)),
    liveValue,
    variables: exports,
    declare(name, value) {
      const type = ["number", "string", "boolean", "bigint"].includes(typeof value) ? typeof value : "any";
      const { diagnostics, cell } = sparingMemory(() => converter.convert(`let ${name}: ${type}`));
      if (diagnostics.length > 0) throw new Error(`${JSON.stringify(name)} cannot be the name of a variable`);
      converter.program.declare(cell, "the debugger");
      exports[name] = value;
    },
    ts,
    isGrammatical: (code) => isGrammatical(ts, code),
    complete: (code, cursor) =>
      sparingMemory(() => complete(converter, { importFolders, liveValue }, { code, cursor })),
    inspect: (code, cursor, detail) => sparingMemory(() => inspect(ts, converter, { code, cursor, detail })),
    sourceOf: (name) => sparingMemory(() => sourceOf(ts, converter, name)),
    isComplete: (code) => isComplete(ts, code),
    get imported() {
      return imported;
    },
    warm() {
      imported = false;
      sparingMemory(() => {
        converter.convert("0");
        converter.complete("Math.ma", 7);
      });
    },
    practise: () => void sparingMemory(() => converter.convert(PRACTICE)),
    saveCaches: saveCodeCache,
    close: () => converter.close(),
  };
}
