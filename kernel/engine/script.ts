/** From an ES module's text to the body of a function that takes `exports` and `require`, with what is needed to map back. */
import { originalPositionFor, TraceMap } from "@jridgewell/trace-mapping";
import type ts from "typescript";
import { keywordOf, namesOf } from "./declarations.ts";
import { plainExports, withoutInnerExports } from "./exports.ts";
import { type PlainScript, plainScript } from "./plain.ts";
import type { Transpile } from "./transpile.ts";
import type { TypeScript } from "./typescript.ts";

export interface CommonJS {
  readonly code: string;
  /** What the code requires, in order: static imports, each with the names that it takes from there. */
  readonly imports: ReadonlyMap<string, readonly string[]>;
  /** The names that the code declares outside of its functions and blocks. */
  readonly declared: ReadonlySet<string>;
  readonly syntaxErrors: readonly ts.Diagnostic[];
  /** The line and column (from 1) in the source of a position in `code`. */
  original(line: number, column: number): { line: number; column: number } | undefined;
}

interface Edit {
  readonly at: number;
  readonly remove: number;
  readonly insert: string;
}

/** What `var` declares within statements of a script, outside of functions. */
function nestedVariables(ts: TypeScript, file: ts.SourceFile): ts.VariableDeclarationList[] {
  const found: ts.VariableDeclarationList[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) || ts.isClassLike(node)) return;
    if (ts.isVariableStatement(node) && node.parent === file) return;
    if (ts.isVariableDeclarationList(node) && keywordOf(ts, node) === "var") found.push(node);

    ts.forEachChild(node, visit);
  };
  if (/\bvar\b/.test(file.text)) visit(file);
  return found;
}

/** `var a = 1` within a statement as `    a = 1`, which leaves the columns as they are. */
function asAssignment(ts: TypeScript, list: ts.VariableDeclarationList, file: ts.SourceFile): Edit[] {
  const isLoop = ts.isForOfStatement(list.parent) || ts.isForInStatement(list.parent);
  const inBrackets = !isLoop && list.declarations.some(({ name }) => !ts.isIdentifier(name));
  const last = { at: list.end - 1, remove: 1, insert: `${file.text[list.end - 1]})` };
  const keyword = { at: list.getStart(file), remove: "var".length, insert: inBrackets ? "  (" : "   " };
  return inBrackets ? [keyword, last] : [keyword];
}

/**
 * Makes `let` and `var` of a cell live on `exports` alone. tslab exports names after the fact (`export { x }`), which
 * leaves a copy in the cell: functions of this cell would not see what a later cell assigns.
 */
function sharedVariables(ts: TypeScript, file: ts.SourceFile): Edit[] {
  const last = file.statements.findLast(ts.isExportDeclaration);
  if (!last?.exportClause || !ts.isNamedExports(last.exportClause)) return [];
  const names = new Set(last.exportClause.elements.map(({ name }) => name.text));
  // Each once, though `var` may declare a name several times.
  const exported = new Set(names);
  const edits: Edit[] = [];
  for (const statement of file.statements) {
    if (!ts.isVariableStatement(statement) || statement.modifiers) continue;
    const declared = statement.declarationList.declarations.flatMap(({ name }) => namesOf(ts, name));
    // A constant is the cell's own, but for one by which the script knows where all are.
    const isOwn = statement.declarationList.flags & (ts.NodeFlags.Const | ts.NodeFlags.Using);
    if (isOwn && !declared.includes("exports")) continue;
    if (!declared.every((name) => names.has(name))) continue;
    for (const name of declared) exported.delete(name);
    edits.push({ at: statement.getStart(file), remove: 0, insert: "export " });
  }
  const nested = new Set<string>();
  for (const list of nestedVariables(ts, file)) {
    for (const { name } of list.declarations)
      for (const one of namesOf(ts, name)) if (exported.delete(one)) nested.add(one);
    edits.push(...asAssignment(ts, list, file));
  }
  if (edits.length === 0) return [];
  const shared = nested.size > 0 ? `export var ${[...nested].join(", ")}; ` : "";
  const list = `${shared}export { ${[...exported].join(", ")} };`;
  const all = [...edits, { at: last.getStart(file), remove: last.getWidth(file), insert: list }];
  return all.sort((a, b) => a.at - b.at);
}

/** Notes what the compiled script declares. */
function declarations(ts: TypeScript, names: Set<string>): ts.TransformerFactory<ts.SourceFile> {
  return () => (file) => {
    for (const statement of file.statements) {
      if (ts.isVariableStatement(statement))
        for (const { name } of statement.declarationList.declarations)
          for (const one of namesOf(ts, name)) names.add(one);
      if ((ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement)) && statement.name)
        names.add(statement.name.text);
    }
    return file;
  };
}

/**
 * Notes what the compiled imports require (calls that TypeScript made, not the source's own), and has them call
 * `__require`: a cell may have a `require` of its own.
 */
function requires(ts: TypeScript, imports: string[]): ts.TransformerFactory<ts.SourceFile> {
  const f = ts.factory;
  return (context) => (file) => {
    const visit: ts.Visitor = (node) => {
      if (
        ts.isCallExpression(node) &&
        ts.isIdentifier(node.expression) &&
        node.expression.text === "require" &&
        node.pos < 0 &&
        node.arguments.length === 1 &&
        ts.isStringLiteral(node.arguments[0])
      ) {
        imports.push(node.arguments[0].text);
        return f.updateCallExpression(node, f.createIdentifier("__require"), undefined, node.arguments);
      }
      return ts.visitEachChild(node, visit, context);
    };
    return ts.visitEachChild(file, visit, context);
  };
}

/** The names that compiled code takes from a module, which it holds in a variable such as `module_1`. */
function takenNames(code: string, specifier: string): string[] {
  const quoted = JSON.stringify(specifier).replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const holders = code.matchAll(new RegExp(`\\bconst (\\w+_\\d+) = [^\\n]*\\b__require\\(${quoted}\\)`, "g"));
  const names = [...holders].flatMap(([, holder]) =>
    [...code.matchAll(new RegExp(`\\b${holder}\\.([\\w$]+)`, "g"))].map(([, name]) => name),
  );
  return [...new Set(names)];
}

/** The settings with which a module is written as CommonJS. */
export const asCommonJS = (ts: TypeScript): ts.CompilerOptions => ({
  module: ts.ModuleKind.CommonJS,
  target: ts.ScriptTarget.ES2022,
  esModuleInterop: true,
  sourceMap: true,
  allowJs: true,
  jsx: ts.JsxEmit.ReactJSX,
  newLine: ts.NewLineKind.LineFeed,
});

const withoutAddress = (code: string): string => code.replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n");

/** What is noted while a module is written as CommonJS. */
interface Notes {
  readonly imports: string[];
  readonly declared: Set<string>;
}

const noting = (ts: TypeScript, { imports, declared }: Notes): ts.TransformerFactory<ts.SourceFile>[] => [
  declarations(ts, declared),
  requires(ts, imports),
];

/** A written module with what was noted of it. */
const scriptOf = (text: string, { imports, declared }: Notes) => ({
  code: withoutAddress(text),
  imports: new Map(imports.map((specifier) => [specifier, takenNames(text, specifier)])),
  declared,
});

const placeOf = ({ line, column }: { line: number | null; column: number | null }) =>
  line === null || column === null ? undefined : { line, column: column + 1 };

/** What tslab made of a cell. */
export interface CellModule {
  readonly text: string;
  /** The source map from there to the cell, as JSON. */
  readonly map: string;
  /** Whether the compiler has looked for errors on all lines of the cell. */
  readonly isChecked: boolean;
}

/** The script of a cell. */
export function cellScript(ts: TypeScript, transpile: Transpile, module: CellModule): CommonJS {
  const source = withoutAddress(module.text);
  const file = ts.createSourceFile("cell.js", source, ts.ScriptTarget.ES2022, true);
  const edits = sharedVariables(ts, file);
  const plain = edits.length === 0 && module.isChecked ? plainScript(ts, file) : undefined;
  return plain ? fromPlain(plain, module.map) : compiled(ts, transpile, source, edits, module.map);
}

const untouched = { imports: new Map<string, readonly string[]>(), syntaxErrors: [] };

function fromPlain({ code, before, declared }: PlainScript, toCell: string): CommonJS {
  let map: TraceMap | undefined;
  return {
    ...untouched,
    code,
    declared,
    original(line, column) {
      if (line <= before) return undefined;
      map ??= new TraceMap(toCell);
      return placeOf(originalPositionFor(map, { line: line - before, column: column - 1 }));
    },
  };
}

/** The script of a cell whose module, with some edits, the compiler writes as CommonJS. */
function compiled(
  ts: TypeScript,
  transpile: Transpile,
  source: string,
  edits: readonly Edit[],
  toCell: string,
): CommonJS {
  let edited = source;
  const shifted = new Set<number>();
  for (const { at, remove, insert } of edits.toReversed()) {
    edited = edited.slice(0, at) + insert + edited.slice(at + remove);
    if (remove === 0) shifted.add(source.slice(0, at).split("\n").length);
  }
  const notes: Notes = { imports: [], declared: new Set() };
  const written = transpile(edited, {
    after: [plainExports(ts), withoutInnerExports(ts), ...noting(ts, notes)],
  });
  let maps: { first: TraceMap; second: TraceMap } | undefined;
  return {
    ...untouched,
    ...scriptOf(written.text, notes),
    original(line, column) {
      maps ??= { first: new TraceMap(toCell), second: new TraceMap(written.map) };
      const middle = originalPositionFor(maps.second, { line, column: column - 1 });
      if (middle.line === null) return undefined;
      const shift = shifted.has(middle.line) ? Math.min("export ".length, middle.column) : 0;
      return placeOf(originalPositionFor(maps.first, { line: middle.line, column: middle.column - shift }));
    },
  };
}

/** The script of a module on disk. */
export function moduleScript(
  ts: TypeScript,
  text: string,
  fileName: string,
  before: ts.TransformerFactory<ts.SourceFile>[],
): CommonJS {
  const notes: Notes = { imports: [], declared: new Set() };
  const { outputText, sourceMapText, diagnostics } = ts.transpileModule(text, {
    fileName,
    reportDiagnostics: true,
    compilerOptions: asCommonJS(ts),
    transformers: { before, after: noting(ts, notes) },
  });
  let map: TraceMap | undefined;
  return {
    ...scriptOf(outputText, notes),
    syntaxErrors: diagnostics ?? [],
    original(line, column) {
      map ??= new TraceMap(sourceMapText!);
      return placeOf(originalPositionFor(map, { line, column: column - 1 }));
    },
  };
}
