/**
 * What the kernel adds to a cell's code, and to local modules that it loads, so that "stop" means stop:
 *
 *   while (c) body        while (c) { if (__interrupt[0]) throw __interruption; body }
 *   function () { ... }   function () { if (__interrupt[0]) throw __interruption; ... }
 *   catch (e) { ... }     catch (e) { __rethrow(e); ... }
 *   await x               await __await(x)
 *   for await (a of b)    for await (a of __asyncIterable(b))
 *   import(x)             __import(x)                 import.meta     __importMeta
 *
 * A constant is thrown by the loop itself: V8 keeps a loop fast that has no call in it.
 *
 * A cell that has the line `// @no-interrupt-checks` keeps its loops and functions as they are.
 */
import type ts from "typescript";
import type { TypeScript } from "./typescript.ts";

/** The functions above. Compiled code takes them as parameters; `__interrupt` is a constant of the whole process. */
type RuntimeName =
  | "__interrupted"
  | "__rethrow"
  | "__await"
  | "__asyncIterable"
  | "__import"
  | "__importMeta";

export const NO_CHECKS = /^[ \t]*\/\/[ \t]*@no-interrupt-checks\b/m;

/**
 * @param isEarlier whether a shorthand property (`{ x }`) names a variable of an earlier cell, which lives on `exports`
 */
export function instrument(
  ts: TypeScript,
  isEarlier: (node: ts.ShorthandPropertyAssignment) => boolean = () => false,
): ts.TransformerFactory<ts.SourceFile> {
  const f = ts.factory;
  const call = (name: RuntimeName, ...args: ts.Expression[]) =>
    f.createCallExpression(f.createIdentifier(name), undefined, args);
  const flag = () => f.createElementAccessExpression(f.createIdentifier("__interrupt"), 0);
  const check = () =>
    f.createIfStatement(flag(), f.createThrowStatement(f.createIdentifier("__interruption")));

  const isDirective = (statement: ts.Statement) =>
    ts.isExpressionStatement(statement) && ts.isStringLiteral(statement.expression);

  const hasCheck = (node: ts.Node | undefined) =>
    node !== undefined &&
    (ts.isFunctionDeclaration(node) ||
      ts.isFunctionExpression(node) ||
      ts.isMethodDeclaration(node) ||
      ts.isArrowFunction(node));

  /** A function's body with a check at its head: recursion is a loop too. */
  function checkedBody(body: ts.Block): ts.Block {
    if (body.statements.length === 0) return body;
    const first = body.statements.findIndex((statement) => !isDirective(statement));
    const at = first < 0 ? body.statements.length : first;
    const statements = [...body.statements.slice(0, at), check(), ...body.statements.slice(at)];
    return f.updateBlock(body, statements);
  }

  return (context) => (file) => {
    const checks = !NO_CHECKS.test(file.text);
    const loopBody = (statement: ts.Statement) =>
      checks ? f.createBlock([check(), statement], true) : statement;

    const visit: ts.Visitor = (original) => {
      if (ts.isShorthandPropertyAssignment(original) && isEarlier(original)) return written(original);
      const node = ts.visitEachChild(original, visit, context);
      if (ts.isForStatement(node))
        return f.updateForStatement(
          node,
          node.initializer,
          node.condition,
          node.incrementor,
          loopBody(node.statement),
        );
      if (ts.isForOfStatement(node)) {
        const iterated = node.awaitModifier ? call("__asyncIterable", node.expression) : node.expression;
        return f.updateForOfStatement(
          node,
          node.awaitModifier,
          node.initializer,
          iterated,
          loopBody(node.statement),
        );
      }
      if (ts.isForInStatement(node))
        return f.updateForInStatement(node, node.initializer, node.expression, loopBody(node.statement));
      if (ts.isWhileStatement(node))
        return f.updateWhileStatement(node, node.expression, loopBody(node.statement));
      if (ts.isDoStatement(node)) return f.updateDoStatement(node, loopBody(node.statement), node.expression);
      if (ts.isAwaitExpression(node)) return f.updateAwaitExpression(node, call("__await", node.expression));
      if (ts.isMetaProperty(node) && node.keywordToken === ts.SyntaxKind.ImportKeyword)
        return f.createIdentifier("__importMeta");
      if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
        return call("__import", ...node.arguments.slice(0, 1));
      if (ts.isCatchClause(node)) return checkedCatch(node);
      if (checks && ts.isBlock(node) && hasCheck(original.parent)) return checkedBody(node);
      if (checks && ts.isArrowFunction(node) && !ts.isBlock(node.body))
        return f.updateArrowFunction(
          node,
          node.modifiers,
          node.typeParameters,
          node.parameters,
          node.type,
          node.equalsGreaterThanToken,
          f.createBlock([check(), f.createReturnStatement(node.body)]),
        );
      return node;
    };

    /** `{ x }` as `{ x: exports.x }`, and `{ x = 1 } = o` likewise: tslab leaves these as they are. */
    function written(node: ts.ShorthandPropertyAssignment): ts.PropertyAssignment {
      const variable = f.createPropertyAccessExpression(f.createIdentifier("exports"), node.name.text);
      const standard = node.objectAssignmentInitializer;
      const value = standard
        ? f.createAssignment(variable, ts.visitNode(standard, visit) as ts.Expression)
        : variable;
      return f.createPropertyAssignment(node.name.text, value);
    }

    /** An interrupt is not the cell's error to handle: it passes through `catch`, and `finally` runs. */
    function checkedCatch(node: ts.CatchClause): ts.CatchClause {
      const declared = node.variableDeclaration?.name;
      const variable =
        declared && ts.isIdentifier(declared)
          ? node.variableDeclaration
          : f.createVariableDeclaration(f.createUniqueName("error"));
      const name = variable!.name as ts.Identifier;
      const head: ts.Statement[] = [f.createExpressionStatement(call("__rethrow", name))];
      if (declared && !ts.isIdentifier(declared))
        head.push(
          f.createVariableStatement(
            undefined,
            f.createVariableDeclarationList(
              [f.createVariableDeclaration(declared, undefined, undefined, name)],
              ts.NodeFlags.Let,
            ),
          ),
        );
      return f.updateCatchClause(
        node,
        variable,
        f.updateBlock(node.block, [...head, ...node.block.statements]),
      );
    }

    return ts.visitEachChild(file, visit, context);
  };
}

/** Whether `file` awaits outside of its functions. */
export function hasTopLevelAwait(ts: TypeScript, file: ts.SourceFile): boolean {
  const visit = (node: ts.Node): boolean => {
    if (ts.isAwaitExpression(node)) return true;
    if (ts.isForOfStatement(node) && node.awaitModifier) return true;
    if (
      ts.isVariableDeclarationList(node) &&
      (node.flags & ts.NodeFlags.AwaitUsing) === ts.NodeFlags.AwaitUsing
    )
      return true;
    if (ts.isFunctionLike(node)) {
      // What a class or an object computes for a member's name runs outside of the member.
      const { name } = node as ts.NamedDeclaration;
      return name !== undefined && ts.isComputedPropertyName(name) && visit(name.expression);
    }
    return ts.forEachChild(node, (child) => visit(child) || undefined) ?? false;
  };
  return visit(file);
}
