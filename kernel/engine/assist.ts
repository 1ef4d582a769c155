/** What an editor asks about code that does not run yet. */
import type ts from "typescript";
import { objectAtEnd } from "./last.ts";
import { completeLive } from "./live.ts";
import { completePath } from "./paths.ts";
import type { NotebookProgram } from "./program.ts";
import { nameQuestion } from "./question.ts";
import type { Converter } from "./tslab.ts";
import type { TypeScript } from "./typescript.ts";

export interface Completion {
  readonly matches: readonly { text: string; kind: string }[];
  /** The completed word, in UTF-16 units. */
  readonly start: number;
  readonly end: number;
}

/** What is completed beside the language. */
interface Surroundings {
  readonly importFolders: readonly string[];
  /** The value of a name of the notebook, unless it takes a getter to know. */
  readonly liveValue: (name: string) => unknown;
}

/** More than a front end can show. */
const MAX_MATCHES = 1000;

export function complete(
  converter: Converter,
  { importFolders, liveValue }: Surroundings,
  { code, cursor }: Omit<Question, "detail">,
): Completion {
  const paths = completePath(code, cursor, importFolders);
  if (paths) {
    const matches = paths.names.map((text) => ({ text, kind: text.endsWith("/") ? "folder" : "module" }));
    return { matches, start: paths.start, end: cursor };
  }
  const { start, end, candidates, entries } = converter.complete(code, cursor);
  const kinds = new Map(entries.map(({ name, kind }) => [name, kind as string]));
  const matches = candidates.slice(0, MAX_MATCHES).map((text) => ({ text, kind: kinds.get(text) ?? "" }));
  if (matches.length > 0) return { matches, start, end };
  const live = completeLive(code.slice(0, cursor), liveValue);
  if (!live) return { matches, start, end };
  const found = live.names.slice(0, MAX_MATCHES).map((text) => ({ text, kind: "property" }));
  return { matches: found, start: live.start, end: cursor };
}

export interface Inspection {
  readonly signature: string;
  readonly documentation: string;
}

interface Question {
  readonly code: string;
  readonly cursor: number;
  /** 1 asks for the whole documentation. */
  readonly detail: number;
}

/** The signature and documentation of the name at, or just before, the cursor. */
export function inspect(
  ts: TypeScript,
  converter: Converter,
  { code, cursor, detail }: Question,
): Inspection | undefined {
  if (/[(,]\s*$/.test(code.slice(0, cursor))) {
    converter.inspect(code, cursor);
    const call = inspectCall(ts, converter, cursor, detail);
    if (call) return call;
  }
  for (const position of [cursor, cursor - 1]) {
    if (position < 0 || position > code.length) continue;
    const info = converter.inspect(code, position);
    const signature = info && converter.program.readable(ts.displayPartsToString(info.displayParts));
    // What the compiler says of a name that it does not know.
    if (!info || signature === undefined || signature === "any") continue;
    let documentation = [
      ts.displayPartsToString(info.documentation),
      ...(info.tags ?? []).map((tag) => `@${tag.name} ${ts.displayPartsToString(tag.text)}`),
    ].filter((part) => part !== "");
    const definition = documentation.length > 0 ? undefined : converter.definition(position);
    if (definition) documentation = readDocumentation(ts, definition.at, definition.text);
    return {
      signature,
      documentation: (detail > 0 ? documentation : documentation.slice(0, 1)).join("\n"),
    };
  }
  return inspectCall(ts, converter, cursor, detail);
}

/** Within the brackets of a call: its signature, and the parameter that is being written. */
function inspectCall(
  ts: TypeScript,
  converter: Converter,
  cursor: number,
  detail: number,
): Inspection | undefined {
  const help = converter.signature(cursor);
  const item = help?.items[help.selectedItemIndex];
  if (!help || !item) return undefined;
  const text = (parts: ts.SymbolDisplayPart[] | undefined) => ts.displayPartsToString(parts);
  const parameters = item.parameters.map(({ displayParts }) => text(displayParts));
  const signature = `${text(item.prefixDisplayParts)}${parameters.join(text(item.separatorDisplayParts))}${text(item.suffixDisplayParts)}`;
  // Of the rest parameter there may be many.
  const current = item.parameters[Math.min(help.argumentIndex, item.parameters.length - 1)];
  const of = current && [
    `Parameter ${help.argumentIndex + 1}: ${text(current.displayParts)}`,
    text(current.documentation),
  ];
  const definition = item.documentation.length > 0 ? undefined : converter.definition(help.called);
  const documentation = definition
    ? readDocumentation(ts, definition.at, definition.text)
    : [text(item.documentation)];
  const lines = [...(of ?? []), ...(detail > 0 ? documentation : documentation.slice(0, 1))];
  return { signature, documentation: lines.filter((line) => line !== "").join("\n") };
}

/** The text of the declaration of a name, in the cell or the file that declares it. */
export function sourceOf(ts: TypeScript, converter: Converter, name: string): string | undefined {
  const declared = converter.program.scope.latest(name)?.declarations?.[0];
  if (declared) {
    const statement = ts.findAncestor(declared, (node) => ts.isSourceFile(node.parent));
    if (statement && !ts.isImportDeclaration(statement)) return statement.getText();
  }
  converter.inspect(name, name.length);
  const definition = converter.definition(name.length);
  const { start, length } = definition?.at.contextSpan ?? { start: 0, length: 0 };
  return definition?.text.slice(start, start + length) || undefined;
}

/** The values that cells have declared, each with its type as text. */
export function namesIn(
  ts: TypeScript,
  { scope, program, readable }: NotebookProgram,
): { name: string; type: string }[] {
  const checker = program().getTypeChecker();
  const typeOf = (symbol: ts.Symbol): string | undefined => {
    if (symbol.flags & ts.SymbolFlags.Alias) return "imported";
    if (symbol.flags & ts.SymbolFlags.Class) return "class";
    if (symbol.flags & ts.SymbolFlags.Enum) return "enum";
    if (symbol.flags & ts.SymbolFlags.Function) return "function";
    if (!(symbol.flags & ts.SymbolFlags.Value)) return undefined;
    return readable(checker.typeToString(checker.getTypeOfSymbol(symbol)));
  };
  return scope
    .names()
    .flatMap(([name, symbol]) => {
      const type = typeOf(symbol);
      return type === undefined ? [] : [{ name, type: type.replace(/\s+/g, " ") }];
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The comments of a declaration; declaration files are read without them, to start fast. */
function readDocumentation(
  ts: TypeScript,
  { fileName, textSpan }: ts.DefinitionInfo,
  text: string,
): string[] {
  const file = ts.createSourceFile(fileName, text, ts.ScriptTarget.ES2022, true);
  let node: ts.Node = file;
  const descend = (child: ts.Node): void => {
    if (child.getStart(file) <= textSpan.start && textSpan.start < child.end) {
      node = child;
      ts.forEachChild(child, descend);
    }
  };
  ts.forEachChild(file, descend);
  for (let at = node; at !== file; at = at.parent) {
    const parts = ts.getJSDocCommentsAndTags(at).flatMap((part) => {
      const comment = ts.getTextOfJSDocComment(part.comment) ?? "";
      if (ts.isJSDoc(part))
        return [
          comment,
          ...(part.tags ?? []).map(
            (tag) =>
              `${tag
                .getText(file)
                .trim()
                .replace(/\s*\*?\s*\n\s*\*?\s*/g, " ")}`,
          ),
        ];
      return [comment];
    });
    if (parts.length > 0) return parts.filter((part) => part !== "");
    // What stands around a member is not about it.
    if (ts.isStatement(at) || ts.isClassElement(at) || ts.isTypeElement(at) || ts.isEnumMember(at)) break;
  }
  return [];
}

/** Errors that more text can mend: unterminated comments, templates and regular expressions. */
const UNTERMINATED = new Set([1010, 1160, 1161]);

/** A cell that is one command of the notebook's. */
const COMMAND = /^\s*(?:[%!].*|%%[\s\S]*\n)\s*$/;

const errorsOf = (file: ts.SourceFile): readonly ts.DiagnosticWithLocation[] =>
  (file as ts.SourceFile & { parseDiagnostics: ts.DiagnosticWithLocation[] }).parseDiagnostics;

export const isGrammatical = (ts: TypeScript, code: string): boolean =>
  errorsOf(ts.createSourceFile("cell.ts", code, ts.ScriptTarget.ESNext)).length === 0;

export function isComplete(
  ts: TypeScript,
  code: string,
): { status: "complete" | "incomplete" | "invalid"; indent?: string } {
  const file = ts.createSourceFile("cell.ts", code, ts.ScriptTarget.ESNext);
  const parseDiagnostics = errorsOf(file);
  const isWhole =
    parseDiagnostics.length === 0 ||
    COMMAND.test(code) ||
    nameQuestion(code) ||
    objectAtEnd(ts, code) !== undefined;
  if (isWhole) return { status: "complete" };
  const end = code.trimEnd().length;
  const open = parseDiagnostics.some(({ start, code: number }) => start >= end || UNTERMINATED.has(number));
  if (!open) return { status: "invalid" };
  const line = code.slice(code.lastIndexOf("\n") + 1);
  const indent = /^\s*/.exec(line)![0] + (/[{([]\s*$/.test(line) ? "  " : "");
  return { status: "incomplete", indent };
}
