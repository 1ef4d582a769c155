/** How the exports of a cell's script become those of the notebook, which all cells share. */
import type ts from "typescript";
import type { TypeScript } from "./typescript.ts";

/** Whether an assignment, or a chain of them, is of `void 0`: how the exports of a script begin. */
const endsInVoid = (ts: TypeScript, node: ts.Expression): boolean =>
  ts.isBinaryExpression(node) ? endsInVoid(ts, node.right) : ts.isVoidExpression(node);

/**
 * tslab's exports are redefined by later cells, so that a property made with `Object.defineProperty` (an import that
 * is exported again) becomes a plain assignment; `__esModule` says nothing here.
 */
export function plainExports(ts: TypeScript): ts.TransformerFactory<ts.SourceFile> {
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
export function withoutInnerExports(ts: TypeScript): ts.TransformerFactory<ts.SourceFile> {
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
