/**
 * What cells import. Packages and JavaScript are loaded by Node, resolved as a module in the notebook's folder would,
 * then from the project's folder, then from the kernel's own; local TypeScript is compiled here, like a cell, and again
 * when it or what it imports has been edited.
 */
import { statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire, isBuiltin } from "node:module";
import { dirname, extname, isAbsolute, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import vm from "node:vm";
import { CompilationError, describeDiagnostics, registerImport } from "./errors.ts";
import { hasTopLevelAwait, instrument } from "./instrument.ts";
import { run, type ScriptScope } from "./run.ts";
import { type CommonJS, moduleScript } from "./script.ts";
import { nameSource, registerSource } from "./sources.ts";
import type { TypeScript } from "./typescript.ts";

export interface Loader {
  importMeta(file: string): ImportMeta;
  /** What `import` from the file or cell at `from` gives, as TypeScript's compiled imports expect it. */
  load(specifier: string, from: string): Promise<unknown>;
  /** What `import(specifier)` gives. */
  loadNamespace(specifier: string, from: string): Promise<unknown>;
  /** Loads the imports of a script, named so in stacks, and returns the `require` that gives them to it. */
  requireFor(script: CommonJS, from: string, name: string): Promise<(specifier: string) => unknown>;
}

export interface LoaderOptions {
  readonly ts: TypeScript;
  /** Folders from which a cell's imports are resolved, in order. */
  readonly importFolders: readonly string[];
  /** Modules of the kernel's own by name. */
  readonly provided: ReadonlyMap<string, () => unknown>;
}

interface LocalModule {
  readonly modified: number;
  readonly exports: Record<string, unknown>;
  readonly dependencies: Set<string>;
}

const TYPESCRIPT = /\.[cm]?tsx?$/;
const EXTENSIONS = ["", ".ts", ".tsx", ".mts", ".cts", ".js", ".mjs", ".cjs", ".json"];

const modifiedTime = (path: string): number | undefined => {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats?.isFile() ? stats.mtimeMs : undefined;
};

/** The file that a relative import means: as TypeScript's bundler resolution finds it. */
function findFile(path: string): string | undefined {
  const alternatives = EXTENSIONS.map((extension) => path + extension);
  const script = /\.([cm]?)js(x?)$/.exec(path);
  if (script) alternatives.push(path.replace(/\.([cm]?)js(x?)$/, ".$1ts$2"));
  alternatives.push(...EXTENSIONS.slice(1).map((extension) => join(path, `index${extension}`)));
  return alternatives.find((file) => modifiedTime(file) !== undefined);
}

/** The ES modules among what was loaded, whose names are known. */
const namespaces = new WeakSet<object>();

/** Fails as Node does where a module lacks a name that is imported from it. */
function checkNames(module: unknown, specifier: string, names: readonly string[]): void {
  if (typeof module !== "object" || module === null || !namespaces.has(module)) return;
  const missing = names.find((name) => !(name in module));
  if (missing !== undefined)
    throw new SyntaxError(
      `The requested module '${specifier}' does not provide an export named '${missing}'`,
    );
}

/** An ES module's namespace in the form in which TypeScript's compiled imports read it. */
function asCommonJS(namespace: Record<string, unknown>): Record<string, unknown> {
  const module = Object.create(null, { __esModule: { value: true } });
  for (const name of Object.keys(namespace))
    Object.defineProperty(module, name, { enumerable: true, get: () => namespace[name] });
  namespaces.add(module);
  return module;
}

export function createLoader({ ts, importFolders, provided }: LoaderOptions): Loader {
  const locals = new Map<string, LocalModule>();
  const firstSeen = new Map<string, number>();
  const importers = new Map<string, (specifier: string) => Promise<Record<string, unknown>>>();

  /** Node's own `import`, as if written in a file of `folder`. */
  function importFrom(folder: string, specifier: string): Promise<Record<string, unknown>> {
    let importer = importers.get(folder);
    if (!importer) {
      importer = new vm.Script("(specifier) => import(specifier)", {
        filename: join(folder, "notebook.mjs"),
        importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
      }).runInThisContext() as (specifier: string) => Promise<Record<string, unknown>>;
      importers.set(folder, importer);
    }
    return importer(specifier);
  }

  const isCell = (from: string) => dirname(from) === importFolders[0] && !locals.has(from);

  function localPath(specifier: string, from: string): string {
    if (specifier.startsWith("file:")) return fileURLToPath(specifier);
    if (isAbsolute(specifier)) return findFile(specifier) ?? specifier;
    const folders = isCell(from) ? importFolders.slice(0, 2) : [dirname(from)];
    for (const folder of folders) {
      const found = findFile(resolve(folder, specifier));
      if (found) return found;
    }
    throw new Error(`cannot find ${specifier}, looked for from ${[...new Set(folders)].join(" and ")}`);
  }

  /** Whether a module and all it imports are as they were when it was loaded. */
  function isFresh(path: string, seen = new Set<string>()): boolean {
    if (seen.has(path)) return true;
    seen.add(path);
    const module = locals.get(path);
    if (!module) return true;
    if (modifiedTime(path) !== module.modified) return false;
    return [...module.dependencies].every((dependency) =>
      locals.has(dependency)
        ? isFresh(dependency, seen)
        : modifiedTime(dependency) === firstSeen.get(dependency),
    );
  }

  async function loadTypeScript(path: string, importing: Set<string>): Promise<Record<string, unknown>> {
    const loaded = locals.get(path);
    // A cycle gives what there is so far, as in Node.
    if (loaded && (importing.has(path) || isFresh(path))) return loaded.exports;
    importing.add(path);
    const text = await readFile(path, "utf8");
    const script = moduleScript(ts, text, path, [instrument(ts)]);
    if (script.syntaxErrors.length > 0)
      throw new CompilationError(describeDiagnostics(ts, script.syntaxErrors));
    const module: LocalModule = {
      modified: modifiedTime(path)!,
      exports: {},
      dependencies: new Set(),
    };
    const origin = { script, text, before: 0, variables: module.exports };
    nameSource(path, origin);
    const source = registerSource(path, origin);
    locals.set(path, module);
    try {
      const require = await requireFor(script, path, path, importing);
      const topLevelAwait = hasTopLevelAwait(ts, ts.createSourceFile(path, text, ts.ScriptTarget.ES2022));
      const scope: ScriptScope = {
        exports: module.exports,
        require,
        __require: require,
        module,
        __filename: path,
        __dirname: dirname(path),
        __import: (specifier: string) => loadNamespace(specifier, path),
        __importMeta: importMeta(path),
      };
      await run(script, { name: path, source, scope, topLevelAwait });
    } catch (error) {
      locals.delete(path);
      throw error;
    }
    return module.exports;
  }

  /** JavaScript or JSON on disk, again if it has been edited. */
  async function loadFile(path: string): Promise<unknown> {
    const modified = modifiedTime(path);
    if (modified === undefined) throw new Error(`cannot find ${path}`);
    const before = firstSeen.get(path);
    firstSeen.set(path, modified);
    const require = createRequire(path);
    if (before !== undefined && before !== modified) delete require.cache[path];
    if (extname(path) === ".json") return require(path);
    const url = pathToFileURL(path);
    if (before !== undefined && before !== modified) url.searchParams.set("edited", String(modified));
    return interoperable(await importFrom(dirname(path), url.href), () => path);
  }

  /** A CommonJS module as it exported itself, with names that Node's `import` may have missed. */
  function interoperable(namespace: Record<string, unknown>, resolved: () => string): unknown {
    try {
      const cached = createRequire(import.meta.url).cache[resolved()];
      if (cached && cached.exports === namespace.default) return cached.exports;
    } catch {
      // Nothing for CommonJS to resolve: an ES module.
    }
    return asCommonJS(namespace);
  }

  async function loadPackage(specifier: string, from: string): Promise<unknown> {
    const folders = isCell(from) ? importFolders : [dirname(from), ...importFolders.slice(-1)];
    let first: unknown;
    for (const folder of new Set(folders)) {
      try {
        const namespace = await importFrom(folder, specifier);
        return interoperable(namespace, () => createRequire(join(folder, "notebook.js")).resolve(specifier));
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        first ??= error;
        const [name] = specifier.match(/^(@[^/]+\/)?[^/]+/) ?? [specifier];
        if (code !== "ERR_MODULE_NOT_FOUND" || !message.includes(`'${name}'`)) throw error;
      }
    }
    throw first;
  }

  async function load(specifier: string, from: string, importing = new Set<string>()): Promise<unknown> {
    const own = provided.get(specifier);
    if (own) return own();
    if (isBuiltin(specifier)) return createRequire(import.meta.url)(specifier);
    if (!/^(\.{1,2}(\/|$)|file:)/.test(specifier) && !isAbsolute(specifier))
      return loadPackage(specifier, from);
    const path = localPath(specifier, from);
    locals.get(from)?.dependencies.add(path);
    return TYPESCRIPT.test(path) ? loadTypeScript(path, importing) : loadFile(path);
  }

  /** `import.meta` of a file or cell; what cannot be resolved from its folder is looked for where its imports are. */
  function importMeta(file: string): ImportMeta {
    const resolve = (specifier: string): string => {
      if (isBuiltin(specifier)) return specifier.startsWith("node:") ? specifier : `node:${specifier}`;
      if (/^(\.{0,2}\/|file:)/.test(specifier)) return new URL(specifier, pathToFileURL(file)).href;
      if (URL.canParse(specifier)) return specifier;
      const folders = isCell(file) ? importFolders : [dirname(file), ...importFolders.slice(-1)];
      // The compiler knows how packages are found; of what it finds, the JavaScript is asked for.
      const options = {
        moduleResolution: ts.ModuleResolutionKind.Bundler,
        allowJs: true,
        noDtsResolution: true,
      };
      for (const folder of new Set(folders)) {
        const place = join(folder, "notebook.mts");
        const { resolvedModule } = ts.resolveModuleName(
          specifier,
          place,
          { ...options, customConditions: ["node"] },
          ts.sys,
        );
        if (resolvedModule) return pathToFileURL(resolvedModule.resolvedFileName).href;
      }
      throw Object.assign(new Error(`Cannot find package '${specifier}' imported from ${file}`), {
        code: "ERR_MODULE_NOT_FOUND",
      });
    };
    return { url: pathToFileURL(file).href, filename: file, dirname: dirname(file), resolve };
  }

  async function loadNamespace(specifier: string, from: string): Promise<unknown> {
    const module = (await load(String(specifier), from)) as Record<string, unknown>;
    if (module !== null && typeof module === "object" && module.__esModule) return module;
    return { ...(typeof module === "object" ? module : {}), default: module };
  }

  /** Loads what a script imports; `name` is the script's in stacks. */
  async function requireFor(script: CommonJS, from: string, name: string, importing = new Set<string>()) {
    const modules = new Map<string, unknown>();
    for (const [specifier, names] of script.imports) {
      try {
        const module = await load(specifier, from, importing);
        checkNames(module, specifier, names);
        modules.set(specifier, module);
      } catch (error) {
        registerImport(error, name, specifier);
        throw error;
      }
    }
    const require = createRequire(from);
    const given = (specifier: string) =>
      modules.has(specifier) ? modules.get(specifier) : require(specifier);
    return Object.assign(given, { resolve: require.resolve, cache: require.cache });
  }

  return {
    importMeta,
    load: (specifier, from) => load(specifier, from),
    loadNamespace,
    requireFor: (script, from, name) => requireFor(script, from, name),
  };
}
