/** The last expression of a cell, which is its value. */
import type ts from "typescript";
import type { TypeScript } from "./typescript.ts";

const errorsOf = (file: ts.SourceFile): readonly ts.Diagnostic[] =>
  (file as ts.SourceFile & { parseDiagnostics: readonly ts.Diagnostic[] }).parseDiagnostics;

/**
 * Where an object begins that ends the cell, such as `{ a: 1, b: 2 }`: the language takes it for a block, readers do not.
 * What can be read as an object alone is one.
 */
export function objectAtEnd(ts: TypeScript, code: string): number | undefined {
  if (!/^\s*\{/m.test(code)) return undefined;
  const parse = (text: string) => ts.createSourceFile("cell.ts", text, ts.ScriptTarget.ESNext);
  const file = parse(code);
  for (const statement of file.statements.toReversed()) {
    if (!ts.isBlock(statement)) continue;
    const start = statement.getStart(file);
    const object = parse(inBrackets(code.slice(start), 0));
    const [only] = object.statements;
    if (errorsOf(object).length > 0 || object.statements.length !== 1 || !ts.isExpressionStatement(only))
      continue;
    const { expression } = only;
    if (ts.isParenthesizedExpression(expression) && ts.isObjectLiteralExpression(expression.expression))
      return start;
  }
  return undefined;
}

/** `code` with brackets around all that follows `start`. */
export const inBrackets = (code: string, start: number): string =>
  `${code.slice(0, start)}(${code.slice(start)}\n)`;

/** Keeps a function or class without a name from being named after the variable that holds the cell's value. */
export function unnamedLast(ts: TypeScript): ts.TransformerFactory<ts.SourceFile> {
  const f = ts.factory;
  const isUnnamed = (node: ts.Expression): boolean => {
    if (ts.isParenthesizedExpression(node)) return isUnnamed(node.expression);
    return (
      ts.isArrowFunction(node) ||
      ((ts.isFunctionExpression(node) || ts.isClassExpression(node)) && !node.name)
    );
  };
  return () => (file) =>
    f.updateSourceFile(
      file,
      file.statements.map((statement) =>
        ts.isExpressionStatement(statement) && isUnnamed(statement.expression)
          ? f.updateExpressionStatement(
              statement,
              f.createParenthesizedExpression(f.createComma(f.createNumericLiteral(0), statement.expression)),
            )
          : statement,
      ),
    );
}

/**
 * Takes the last expression of a cell with `using` out of the `try` that TypeScript makes of such a cell:
 * `try { …; x } finally { … }` as `try { …; value = x } finally { … } value`.
 */
export function lastBesideUsing(ts: TypeScript): ts.TransformerFactory<ts.SourceFile> {
  const f = ts.factory;
  return () => (file) => {
    const at = file.statements.findLastIndex((statement) => !ts.isExportDeclaration(statement));
    const made = file.statements[at];
    // What the source has written has a position.
    if (!made || !ts.isTryStatement(made) || made.pos >= 0) return file;
    const inner = made.tryBlock.statements;
    const last = inner.at(-1);
    if (!last || !ts.isExpressionStatement(last) || !ts.getParseTreeNode(last, ts.isExpressionStatement))
      return file;
    const value = f.createUniqueName("value");
    const kept = f.updateExpressionStatement(last, f.createAssignment(value, last.expression));
    const block = f.updateBlock(made.tryBlock, [...inner.slice(0, -1), kept]);
    return f.updateSourceFile(file, [
      f.createVariableStatement(
        undefined,
        f.createVariableDeclarationList([f.createVariableDeclaration(value)]),
      ),
      ...file.statements.slice(0, at),
      f.updateTryStatement(made, block, made.catchClause, made.finallyBlock),
      f.createExpressionStatement(value),
      ...file.statements.slice(at + 1),
    ]);
  };
}
