/** What tslab's converter does not do, or does slowly, put right around it. */
import type ts from "typescript";
import type { TypeScript } from "./typescript.ts";

/** `code` with blanks for `export` and `export default` of its declarations: every cell's are seen by later cells. */
export function withoutExports(ts: TypeScript, code: string): string {
  if (!/\bexport\b/.test(code)) return code;
  const file = ts.createSourceFile("cell.ts", code, ts.ScriptTarget.ESNext);
  let plain = code;
  for (const statement of file.statements) {
    const [first, second] = ts.canHaveModifiers(statement) ? (ts.getModifiers(statement) ?? []) : [];
    if (first?.kind !== ts.SyntaxKind.ExportKeyword) continue;
    const isDefault = second?.kind === ts.SyntaxKind.DefaultKeyword;
    if (isDefault && !(statement as ts.DeclarationStatement).name) continue;
    const start = first.end - "export".length;
    const { end } = isDefault ? second : first;
    // Comments and lines between the words stay.
    plain =
      plain.slice(0, start) +
      plain.slice(start, end).replace(/export|default/g, (word) => " ".repeat(word.length)) +
      plain.slice(end);
  }
  return plain;
}

/** What tslab makes of a name of an earlier cell: a property of `exports`. */
const isEarlier = (ts: TypeScript, node: ts.Node): node is ts.PropertyAccessExpression =>
  node.pos < 0 &&
  ts.isPropertyAccessExpression(node) &&
  ts.isIdentifier(node.expression) &&
  node.expression.text === "exports";

/** `var N` of a namespace that an earlier cell began as `var N = exports.N`, to which its members are added. */
export function continuingNamespaces(
  ts: TypeScript,
  names: ReadonlySet<string>,
): ts.TransformerFactory<ts.SourceFile> {
  const f = ts.factory;
  const isBeginning = (node: ts.Node): node is ts.VariableStatement =>
    ts.isVariableStatement(node) && ts.isModuleDeclaration(ts.getOriginalNode(node));
  return () => (file) => {
    if (names.size === 0) return file;
    const statements = file.statements
      // What was declared for the compiler alone is no statement, and hides the last expression.
      .filter((statement) => !ts.isNotEmittedStatement(statement))
      .map((statement) => {
        if (!isBeginning(statement)) return statement;
        const [{ name }] = statement.declarationList.declarations;
        if (!ts.isIdentifier(name) || !names.has(name.text)) return statement;
        const earlier = f.createPropertyAccessExpression(f.createIdentifier("exports"), name.text);
        const declaration = f.createVariableDeclaration(name, undefined, undefined, earlier);
        return f.updateVariableStatement(
          statement,
          statement.modifiers,
          f.createVariableDeclarationList([declaration], ts.NodeFlags.None),
        );
      });
    return f.updateSourceFile(file, statements);
  };
}

/** `exports.f()`, which tslab makes of `f()`, as `(0, exports.f)()`: a function of an earlier cell has no `this`. */
export function withoutReceiver(ts: TypeScript): ts.TransformerFactory<ts.SourceFile> {
  const f = ts.factory;
  const alone = (node: ts.Expression) => {
    const comma = f.createParenthesizedExpression(f.createComma(f.createNumericLiteral(0), node));
    // Stacks point at the name.
    return ts.setTextRange(comma, (node as ts.PropertyAccessExpression).name);
  };
  return (context) => (file) => {
    const visit: ts.Visitor = (original) => {
      const node = ts.visitEachChild(original, visit, context);
      if (ts.isCallExpression(node) && isEarlier(ts, node.expression))
        return f.updateCallExpression(node, alone(node.expression), node.typeArguments, node.arguments);
      if (ts.isTaggedTemplateExpression(node) && isEarlier(ts, node.tag))
        return f.updateTaggedTemplateExpression(node, alone(node.tag), node.typeArguments, node.template);
      return node;
    };
    return ts.visitEachChild(file, visit, context);
  };
}
