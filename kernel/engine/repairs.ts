/** What tslab's converter does not do, or does slowly, put right around it. */
import type ts from "typescript";
import type { TypeScript } from "./typescript.ts";

/** `code` with blanks for the `export` of its declarations: every cell's are seen by later cells. */
export function withoutExports(ts: TypeScript, code: string): string {
  if (!/\bexport\b/.test(code)) return code;
  const file = ts.createSourceFile("cell.ts", code, ts.ScriptTarget.ESNext);
  let plain = code;
  for (const statement of file.statements) {
    const [first, second] = ts.canHaveModifiers(statement) ? (ts.getModifiers(statement) ?? []) : [];
    if (first?.kind !== ts.SyntaxKind.ExportKeyword || second?.kind === ts.SyntaxKind.DefaultKeyword)
      continue;
    plain =
      plain.slice(0, first.end - "export".length) + " ".repeat("export".length) + plain.slice(first.end);
  }
  return plain;
}

/** `exports.f()`, which tslab makes of `f()`, as `(0, exports.f)()`: a function of an earlier cell has no `this`. */
export function withoutReceiver(ts: TypeScript): ts.TransformerFactory<ts.SourceFile> {
  const f = ts.factory;
  const isEarlier = (node: ts.Expression) =>
    node.pos < 0 &&
    ts.isPropertyAccessExpression(node) &&
    ts.isIdentifier(node.expression) &&
    node.expression.text === "exports";
  const alone = (node: ts.Expression) => {
    const comma = f.createParenthesizedExpression(f.createComma(f.createNumericLiteral(0), node));
    // Stacks point at the name.
    return ts.setTextRange(comma, (node as ts.PropertyAccessExpression).name);
  };
  return (context) => (file) => {
    const visit: ts.Visitor = (original) => {
      const node = ts.visitEachChild(original, visit, context);
      if (ts.isCallExpression(node) && isEarlier(node.expression))
        return f.updateCallExpression(node, alone(node.expression), node.typeArguments, node.arguments);
      if (ts.isTaggedTemplateExpression(node) && isEarlier(node.tag))
        return f.updateTaggedTemplateExpression(node, alone(node.tag), node.typeArguments, node.template);
      return node;
    };
    return ts.visitEachChild(file, visit, context);
  };
}

/** The namespaces and augmentations of `before` that `after` does not have: tslab forgets those with the next cell. */
export function keptModules(ts: TypeScript, before: string, after: string): string {
  if (!/\b(namespace|module|global)\b/.test(before)) return "";
  const parse = (text: string) => ts.createSourceFile("cell.d.ts", text, ts.ScriptTarget.ESNext);
  const nameOf = (statement: ts.Statement) =>
    (statement as ts.Statement & { name?: { text?: string } }).name?.text;
  const declared = new Set(parse(after).statements.map(nameOf));
  const file = parse(before);
  const kept = file.statements.filter(
    (statement) =>
      ts.isModuleDeclaration(statement) &&
      ((statement.flags & ts.NodeFlags.GlobalAugmentation) !== 0 || !declared.has(nameOf(statement))),
  );
  return kept.map((statement) => `${statement.getText(file)}\n`).join("");
}

/**
 * A printer for the declarations that tslab keeps, which takes whole statements from the text they were parsed from:
 * writing them anew would take most of the time of a cell in a long notebook.
 */
export function printerOfDeclarations(ts: TypeScript): Pick<ts.Printer, "printFile"> {
  const printer = ts.createPrinter({ newLine: ts.NewLineKind.LineFeed });
  const isWhole = (statement: ts.Statement, file: ts.SourceFile) => {
    if (!ts.isVariableStatement(statement)) return !ts.isImportDeclaration(statement);
    const [declaration, ...others] = statement.declarationList.declarations;
    return (
      others.length === 0 &&
      /^(declare )?(const|let|var)$/.test(file.text.slice(statement.getStart(file), declaration.pos)) &&
      /^;?$/.test(file.text.slice(declaration.end, statement.end))
    );
  };
  return {
    printFile: (file) =>
      file.statements
        .map((statement) => {
          const whole = isWhole(statement, file) && file.text.slice(statement.pos, statement.end).trim();
          return `${whole || printer.printNode(ts.EmitHint.Unspecified, statement, file)}\n`;
        })
        .join(""),
  };
}
