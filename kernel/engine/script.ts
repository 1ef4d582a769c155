/** From an ES module's text to the body of a function that takes `exports` and `require`, with what is needed to map back. */
import { originalPositionFor, TraceMap } from "@jridgewell/trace-mapping";
import type ts from "typescript";
import { keywordOf, namesOf } from "./declarations.ts";
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

/** Whether an assignment, or a chain of them, is of `void 0`: how the exports of a script begin. */
const endsInVoid = (ts: TypeScript, node: ts.Expression): boolean =>
  ts.isBinaryExpression(node) ? endsInVoid(ts, node.right) : ts.isVoidExpression(node);

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

  /** The name in `exports.name`. */
  const exported = (node: ts.Node): string | undefined =>
    ts.isPropertyAccessExpression(node) &&
    ts.isIdentifier(node.expression) &&
    node.expression.text === "exports"
      ? node.name.text
      : undefined;
  const assigned = (node: ts.Node): node is ts.BinaryExpression =>
    ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.EqualsToken;

  /** `exports.a = exports.b = void 0` without the names that are to keep their values. */
  function cleared(node: ts.Expression, keeping: ReadonlySet<string>): ts.Expression {
    if (!assigned(node) || !exported(node.left)) return node;
    const rest = cleared(node.right, keeping);
    return keeping.has(exported(node.left)!)
      ? rest
      : f.updateBinaryExpression(node, node.left, node.operatorToken, rest);
  }

  return () => (file) => {
    // `exports.N = exports.N`: what goes on where an earlier cell ended.
    const keeping = new Set(
      file.statements.flatMap((statement) => {
        if (!ts.isExpressionStatement(statement) || !assigned(statement.expression)) return [];
        const { left, right } = statement.expression;
        return exported(left) !== undefined && exported(left) === exported(right) ? [exported(left)!] : [];
      }),
    );
    const statements = file.statements.flatMap((statement): ts.Statement[] => {
      if (keeping.size > 0 && ts.isExpressionStatement(statement) && endsInVoid(ts, statement.expression))
        return [f.updateExpressionStatement(statement, cleared(statement.expression, keeping))];
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

/**
 * Without `exports.x = x` in blocks: TypeScript writes that for each variable that has the name of an exported one, also
 * for another one of an inner block. What `var` declares there is on `exports` already.
 */
function withoutInnerExports(ts: TypeScript): ts.TransformerFactory<ts.SourceFile> {
  const f = ts.factory;
  const isMade = (node: ts.Node): boolean =>
    ts.isExpressionStatement(node) &&
    ts.isBinaryExpression(node.expression) &&
    ts.isPropertyAccessExpression(node.expression.left) &&
    node.expression.left.pos < 0 &&
    ts.isIdentifier(node.expression.left.expression) &&
    node.expression.left.expression.text === "exports" &&
    ts.isIdentifier(node.expression.right) &&
    node.expression.right.text === node.expression.left.name.text;
  return (context) => {
    const visit: ts.Visitor = (node) => {
      if (isMade(node)) return undefined;
      return ts.isStatement(node) ||
        ts.isCaseBlock(node) ||
        ts.isCaseOrDefaultClause(node) ||
        ts.isCatchClause(node)
        ? ts.visitEachChild(node, visit, context)
        : node;
    };
    return (file) =>
      f.updateSourceFile(
        file,
        file.statements.map((one) => (isMade(one) ? one : (ts.visitNode(one, visit) as ts.Statement))),
      );
  };
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
  const declared = new Set<string>();
  const ofCells = shareVariables ? [plainExports(ts), withoutInnerExports(ts)] : [];
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
      jsx: ts.JsxEmit.ReactJSX,
      newLine: ts.NewLineKind.LineFeed,
    },
    transformers: { before, after: [...ofCells, declarations(ts, declared), requires(ts, imports)] },
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
    imports: new Map(imports.map((specifier) => [specifier, takenNames(outputText, specifier)])),
    declared,
    syntaxErrors: diagnostics,
    original,
  };
}
