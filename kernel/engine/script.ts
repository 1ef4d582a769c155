/** From an ES module's text to the body of a function that takes `exports` and `require`, with what is needed to map back. */
import { originalPositionFor, TraceMap } from "@jridgewell/trace-mapping";
import type ts from "typescript";
import type { TypeScript } from "./typescript.ts";

export interface CommonJS {
  readonly code: string;
  /** What the code requires, in order: static imports. */
  readonly imports: readonly string[];
  readonly syntaxErrors: readonly ts.Diagnostic[];
  /** The line and column (from 1) in the source of a position in `code`. */
  original(line: number, column: number): { line: number; column: number } | undefined;
}

interface Edit {
  readonly at: number;
  readonly remove: number;
  readonly insert: string;
}

/**
 * Makes `let` and `var` of a cell live on `exports` alone. tslab exports names after the fact (`export { x }`), which
 * leaves a copy in the cell: functions of this cell would not see what a later cell assigns.
 */
function sharedVariables(ts: TypeScript, file: ts.SourceFile): Edit[] {
  const last = file.statements.findLast(ts.isExportDeclaration);
  if (!last?.exportClause || !ts.isNamedExports(last.exportClause)) return [];
  const exported = new Set(last.exportClause.elements.map(({ name }) => name.text));
  const edits: Edit[] = [];
  for (const statement of file.statements) {
    if (!ts.isVariableStatement(statement) || statement.modifiers) continue;
    if (statement.declarationList.flags & (ts.NodeFlags.Const | ts.NodeFlags.Using)) continue;
    const names: string[] = [];
    const collect = (name: ts.BindingName): void => {
      if (ts.isIdentifier(name)) names.push(name.text);
      else for (const element of name.elements) if (ts.isBindingElement(element)) collect(element.name);
    };
    for (const { name } of statement.declarationList.declarations) collect(name);
    if (!names.every((name) => exported.has(name))) continue;
    for (const name of names) exported.delete(name);
    edits.push({ at: statement.getStart(file), remove: 0, insert: "export " });
  }
  if (edits.length === 0) return [];
  const list = `export { ${[...exported].join(", ")} };`;
  const all = [...edits, { at: last.getStart(file), remove: last.getWidth(file), insert: list }];
  return all.sort((a, b) => a.at - b.at);
}

/**
 * tslab's exports are redefined by later cells, so that a property made with `Object.defineProperty` (an import that
 * is exported again) becomes a plain assignment; `__esModule` says nothing here.
 */
function plainExports(ts: TypeScript): ts.TransformerFactory<ts.SourceFile> {
  const f = ts.factory;
  const isDefine = (node: ts.Node): node is ts.CallExpression =>
    ts.isCallExpression(node) &&
    ts.isPropertyAccessExpression(node.expression) &&
    node.expression.name.text === "defineProperty" &&
    node.arguments.length === 3 &&
    ts.isIdentifier(node.arguments[0]) &&
    node.arguments[0].text === "exports" &&
    ts.isStringLiteral(node.arguments[1]);

  const getterValue = (descriptor: ts.Expression): ts.Expression | undefined => {
    if (!ts.isObjectLiteralExpression(descriptor)) return undefined;
    const get = descriptor.properties.find((p) => p.name && ts.isIdentifier(p.name) && p.name.text === "get");
    const value = get && ts.isPropertyAssignment(get) ? get.initializer : undefined;
    const [statement] = value && ts.isFunctionExpression(value) ? value.body.statements : [];
    return statement && ts.isReturnStatement(statement) ? statement.expression : undefined;
  };

  return () => (file) => {
    const statements = file.statements.flatMap((statement): ts.Statement[] => {
      if (!ts.isExpressionStatement(statement) || !isDefine(statement.expression)) return [statement];
      const [, name, descriptor] = statement.expression.arguments;
      if ((name as ts.StringLiteral).text === "__esModule") return [];
      const value = getterValue(descriptor);
      if (!value) return [statement];
      const target = f.createPropertyAccessExpression(
        f.createIdentifier("exports"),
        (name as ts.StringLiteral).text,
      );
      return [f.createExpressionStatement(f.createAssignment(target, value))];
    });
    return f.updateSourceFile(file, statements);
  };
}

/** Notes what the compiled imports require (calls that TypeScript made, not the source's own). */
function requires(ts: TypeScript, imports: string[]): ts.TransformerFactory<ts.SourceFile> {
  return (context) => (file) => {
    const visit: ts.Visitor = (node) => {
      if (
        ts.isCallExpression(node) &&
        ts.isIdentifier(node.expression) &&
        node.expression.text === "require" &&
        node.pos < 0 &&
        node.arguments.length === 1 &&
        ts.isStringLiteral(node.arguments[0])
      )
        imports.push(node.arguments[0].text);
      return ts.visitEachChild(node, visit, context);
    };
    return ts.visitEachChild(file, visit, context);
  };
}

export interface ScriptOptions {
  /** The source map, as JSON, of the step that made `text`; without it `text` is the source. */
  readonly firstMap?: string;
  /** Whether this is a cell, whose variables are shared with other cells. */
  readonly shareVariables?: boolean;
  readonly before?: ts.TransformerFactory<ts.SourceFile>[];
  readonly fileName?: string;
}

export function toCommonJS(ts: TypeScript, text: string, options: ScriptOptions): CommonJS {
  const { firstMap, shareVariables = false, before, fileName = "cell.js" } = options;
  const source = text.replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n");
  const edits = shareVariables
    ? sharedVariables(ts, ts.createSourceFile(fileName, source, ts.ScriptTarget.ES2022, true))
    : [];
  let edited = source;
  const shifted = new Set<number>();
  for (const { at, remove, insert } of edits.toReversed()) {
    edited = edited.slice(0, at) + insert + edited.slice(at + remove);
    if (remove === 0) shifted.add(source.slice(0, at).split("\n").length);
  }

  const imports: string[] = [];
  const {
    outputText,
    sourceMapText,
    diagnostics = [],
  } = ts.transpileModule(edited, {
    fileName,
    reportDiagnostics: !shareVariables,
    compilerOptions: {
      module: ts.ModuleKind.CommonJS,
      target: ts.ScriptTarget.ES2022,
      esModuleInterop: true,
      sourceMap: true,
      allowJs: true,
      jsx: ts.JsxEmit.React,
      newLine: ts.NewLineKind.LineFeed,
    },
    transformers: { before, after: [...(shareVariables ? [plainExports(ts)] : []), requires(ts, imports)] },
  });

  let maps: { first?: TraceMap; second: TraceMap } | undefined;
  const original = (line: number, column: number) => {
    maps ??= { first: firstMap ? new TraceMap(firstMap) : undefined, second: new TraceMap(sourceMapText!) };
    const middle = originalPositionFor(maps.second, { line, column: column - 1 });
    if (middle.line === null) return undefined;
    const shift = shifted.has(middle.line) ? Math.min("export ".length, middle.column) : 0;
    if (!maps.first) return { line: middle.line, column: middle.column + 1 };
    const start = originalPositionFor(maps.first, { line: middle.line, column: middle.column - shift });
    return start.line === null ? undefined : { line: start.line, column: start.column + 1 };
  };
  return {
    code: outputText.replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n"),
    imports: [...new Set(imports)],
    syntaxErrors: diagnostics,
    original,
  };
}
