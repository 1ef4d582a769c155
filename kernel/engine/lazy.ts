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

/** Where something stands in a text: from its first character to behind its last. */
type Span = readonly [start: number, end: number];

const GLOBAL = /^( +)global \{\r?$/gm;

/** The blocks by which the modules of a text add to what is global; undefined where one is not on lines of its own. */
function globalBlocks(text: string): Span[] | undefined {
  const blocks = [...text.matchAll(GLOBAL)].map(({ 0: line, 1: indent, index }): Span => {
    const end = text.indexOf(`\n${indent}}`, index + line.length);
    return [index, end < 0 ? -1 : end + indent.length + 2];
  });
  const all = text.match(/\bglobal\s*\{/g)?.length ?? 0;
  return blocks.length === all && blocks.every(([, end]) => end > 0) ? blocks : undefined;
}

/**
 * A file that holds nothing but `declare module "…" { … }`, each brace at the beginning of its line, without what is in the
 * modules, but with what they add to what is global, at the places where it is. Undefined for any other file.
 */
export function outline(text: string): string | undefined {
  if (/^\s*\/\/\/\s*</m.test(text)) return undefined;
  const globals = globalBlocks(text);
  if (!globals) return undefined;
  const headers: string[] = [];
  const kept: Span[] = [...globals];
  let within = false;
  for (const { 0: line, index } of text.matchAll(/^[^\s].*$/gm)) {
    const isHeader = /^declare module ["'][^"']+["'] \{\r?$/.test(line);
    if (!within && isHeader) headers.push(line.trimEnd());
    else if (line.startsWith("//") || line.startsWith("/*")) continue;
    else if (!within || line.trimEnd() !== "}") return undefined;
    kept.push([index, index + line.length]);
    within = !within;
  }
  if (headers.length === 0 || within) return undefined;
  if (globals.length === 0) return headers.map((header) => `${header}}`).join("\n");
  let result = "";
  for (const [start, end] of kept.sort(([a], [b]) => a - b))
    result += text.slice(result.length, start).replace(/[^\n]/g, " ") + text.slice(start, end);
  return result;
}

/** A property that comes to be, with others, when one of them is read. */
function later(holder: object, name: "exports" | "locals", become: () => void): void {
  Object.defineProperty(holder, name, {
    configurable: true,
    enumerable: true,
    get() {
      become();
      return (holder as Record<string, unknown>)[name];
    },
  });
}

const now = (holder: object, name: "exports" | "locals", value: unknown): void => {
  Object.defineProperty(holder, name, { value, configurable: true, enumerable: true, writable: true });
};

/** A file of declarations, if it can be had in parts. */
export function lazyFile(bound: Bound, text: string): LazyFile | undefined {
  const outlined = outline(text);
  if (outlined === undefined) return undefined;
  const file = bound(outlined);
  const modules = [...localsOf(file).values()].map((symbol) => ({
    symbol,
    parts: symbol.declarations ?? [],
  }));
  let whole: ts.SourceFile | undefined;
  const parse = (): void => {
    if (whole) return;
    whole = bound(text);
    // What the program found out of the file.
    for (const [field, value] of Object.entries(file))
      if (!(field in whole)) Object.assign(whole, { [field]: value });
    for (const { symbol, parts } of modules) {
      const full = localsOf(whole).get(symbol.escapedName as string)!;
      // What is global looks names up where it stands, in the outline.
      for (const [i, part] of parts.entries())
        now(part, "locals", (full.declarations![i] as { locals?: ts.SymbolTable }).locals);
      become(symbol, full);
    }
  };
  for (const { symbol, parts } of modules) {
    later(symbol, "exports", parse);
    for (const part of parts) later(part, "locals", parse);
  }
  return { file, whole: () => whole };
}

/** Makes a module without contents the one that was parsed with them. */
function become(symbol: ts.Symbol, full: ts.Symbol): void {
  const { exports, declarations = [], valueDeclaration } = full;
  now(symbol, "exports", exports);
  Object.assign(symbol, { declarations, valueDeclaration });
  for (const member of exports?.values() ?? []) Object.assign(member, { parent: symbol });
  for (const declaration of declarations) Object.assign(declaration, { symbol });
}
