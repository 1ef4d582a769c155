/**
 * Libraries' declarations that are parsed only when a cell needs them. Node's are three quarters of what a first cell
 * would wait for, and most cells use a few of its modules.
 */
import type ts from "typescript";
import { localsOf } from "./declarations.ts";

/** Parses and binds a text as the file of declarations that it is of. */
type Bound = (text: string) => ts.SourceFile;

export interface LazyFile {
  /** A file that declares the same modules; what they export is there as soon as it is asked for. */
  readonly file: ts.SourceFile;
  /** The file as it is written, once something of it has been asked for. */
  whole(): ts.SourceFile | undefined;
}

/**
 * The modules of a file that holds nothing but `declare module "…" { … }`, each brace at the beginning of its line.
 * Undefined for any other, which may add to what is global.
 */
export function ambientModules(text: string): string[] | undefined {
  if (/\bglobal\s*\{|^\s*\/\/\/\s*</m.test(text)) return undefined;
  const names: string[] = [];
  let within = false;
  for (const [line] of text.matchAll(/^[^\s].*$/gm)) {
    const [, name] = /^declare module ["']([^"']+)["'] \{\r?$/.exec(line) ?? [];
    if (!within && name !== undefined) names.push(name);
    else if (line.startsWith("//") || line.startsWith("/*")) continue;
    else if (!within || line.trimEnd() !== "}") return undefined;
    within = !within;
  }
  return names.length > 0 && !within ? names : undefined;
}

/** A file of declarations, if it can be had in parts. */
export function lazyFile(bound: Bound, text: string): LazyFile | undefined {
  const names = ambientModules(text);
  if (!names) return undefined;
  const file = bound(names.map((name) => `declare module ${JSON.stringify(name)} {}`).join("\n"));
  const modules = [...localsOf(file).values()];
  let whole: ts.SourceFile | undefined;
  const parse = (): void => {
    if (whole) return;
    whole = bound(text);
    // What the program found out of the file.
    for (const [field, value] of Object.entries(file))
      if (!(field in whole)) Object.assign(whole, { [field]: value });
    for (const symbol of modules) become(symbol, localsOf(whole).get(symbol.escapedName as string)!);
  };
  for (const symbol of modules)
    Object.defineProperty(symbol, "exports", {
      configurable: true,
      enumerable: true,
      get() {
        parse();
        return symbol.exports;
      },
    });
  return { file, whole: () => whole };
}

/** Makes a module without contents the one that was parsed with them. */
function become(symbol: ts.Symbol, full: ts.Symbol): void {
  const { exports, declarations = [], valueDeclaration } = full;
  Object.defineProperty(symbol, "exports", {
    value: exports,
    configurable: true,
    enumerable: true,
    writable: true,
  });
  Object.assign(symbol, { declarations, valueDeclaration });
  for (const member of exports?.values() ?? []) Object.assign(member, { parent: symbol });
  for (const declaration of declarations) Object.assign(declaration, { symbol });
}
