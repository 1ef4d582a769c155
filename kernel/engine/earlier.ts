/**
 * What a cell that declares a name again leaves of the name's earlier meaning. A class that is declared anew is another
 * class: what has the old one as its type keeps that, in a namespace of its own. A namespace goes on where it ended.
 */
import type ts from "typescript";
import type { TypeScript } from "./typescript.ts";
import { namesOf } from "./unnamed.ts";

/** Begins the names under which earlier meanings are kept; completions leave them out. */
export const EARLIER = "__earlier";

const parse = (ts: TypeScript, text: string): ts.SourceFile =>
  ts.createSourceFile("cell.d.ts", text, ts.ScriptTarget.ESNext, true);

/** The names that a statement declares; of an import, each with what says where it comes from. */
export function declaredBy(ts: TypeScript, statement: ts.Statement): Map<string, string> {
  const names = new Map<string, string>();
  if (ts.isVariableStatement(statement))
    for (const { name } of statement.declarationList.declarations)
      for (const one of namesOf(ts, name)) names.set(one, "");
  else if (ts.isImportDeclaration(statement)) {
    const { name, namedBindings } = statement.importClause ?? {};
    const from = (statement.moduleSpecifier as ts.StringLiteral).text;
    if (name) names.set(name.text, `default ${from}`);
    if (namedBindings && ts.isNamespaceImport(namedBindings)) names.set(namedBindings.name.text, `* ${from}`);
    if (namedBindings && ts.isNamedImports(namedBindings))
      for (const { name, propertyName } of namedBindings.elements)
        names.set(name.text, `{ ${(propertyName ?? name).text} } ${from}`);
  } else {
    const { name } = statement as ts.Statement & { name?: ts.Node };
    if (name && ts.isIdentifier(name) && !isGlobal(ts, statement)) names.set(name.text, "");
  }
  return names;
}

const isGlobal = (ts: TypeScript, statement: ts.Statement): boolean =>
  (statement.flags & ts.NodeFlags.GlobalAugmentation) !== 0;

type Namespace = ts.ModuleDeclaration & { name: ts.Identifier; body: ts.ModuleBlock };
const isNamespace = (ts: TypeScript, node: ts.Node): node is Namespace =>
  ts.isModuleDeclaration(node) &&
  ts.isIdentifier(node.name) &&
  !isGlobal(ts, node) &&
  node.body !== undefined &&
  ts.isModuleBlock(node.body);

/** Where a declaration refers to a name of its scope: types, `typeof`, base classes, computed names. */
function references(ts: TypeScript, root: ts.Node, names: ReadonlySet<string>): ts.Identifier[] {
  const found: ts.Identifier[] = [];
  const note = (entity: ts.Node, hidden: ReadonlySet<string>): void => {
    if (ts.isQualifiedName(entity)) note(entity.left, hidden);
    else if (ts.isPropertyAccessExpression(entity)) note(entity.expression, hidden);
    else if (ts.isIdentifier(entity) && names.has(entity.text) && !hidden.has(entity.text))
      found.push(entity);
  };
  const visit = (node: ts.Node, outer: ReadonlySet<string>): void => {
    const { typeParameters } = node as ts.Node & { typeParameters?: readonly ts.TypeParameterDeclaration[] };
    const own = [
      ...(typeParameters ?? []).map(({ name }) => name.text),
      ...(ts.isModuleBlock(node) ? node.statements.flatMap((one) => [...declaredBy(ts, one).keys()]) : []),
      ...(ts.isMappedTypeNode(node) ? [node.typeParameter.name.text] : []),
    ];
    const hidden = own.length > 0 ? new Set([...outer, ...own]) : outer;
    if (ts.isTypeReferenceNode(node)) note(node.typeName, hidden);
    else if (ts.isTypeQueryNode(node)) note(node.exprName, hidden);
    else if (ts.isExpressionWithTypeArguments(node) || ts.isComputedPropertyName(node))
      note(node.expression, hidden);
    ts.forEachChild(node, (child) => visit(child, hidden));
  };
  visit(root, new Set());
  return found;
}

/** A declaration as it stands in a namespace. */
const inNamespace = (ts: TypeScript, statement: ts.Statement): string => {
  const text = statement.getText();
  const first = ts.canHaveModifiers(statement) ? ts.getModifiers(statement)?.[0] : undefined;
  const isDeclare = first?.kind === ts.SyntaxKind.DeclareKeyword;
  return `export ${isDeclare ? text.slice("declare".length).trimStart() : text}`;
};

/**
 * The declarations of earlier cells before one that declares some of their names again: what refers to these by its type
 * refers to their earlier meaning, which is kept beside.
 */
export function withEarlierMeanings(ts: TypeScript, declarations: string, code: string): string {
  const cell = parse(ts, code);
  const again = new Map(cell.statements.flatMap((one) => [...declaredBy(ts, one)]));
  const continued = new Set(
    cell.statements.filter((one) => isNamespace(ts, one)).map(({ name }) => name.text),
  );
  const mentioned = [...again.keys()].filter((name) => declarations.includes(name));
  if (mentioned.length === 0) return declarations;

  const file = parse(ts, declarations);
  const before = new Map<string, ts.Statement[]>();
  for (const statement of file.statements)
    for (const [name, source] of declaredBy(ts, statement)) {
      const isSame =
        (source !== "" && again.get(name) === source) || (continued.has(name) && isNamespace(ts, statement));
      if (again.has(name) && !isSame) before.set(name, [...(before.get(name) ?? []), statement]);
    }
  const names = new Set(before.keys());
  const isGone = (statement: ts.Statement) => {
    const declared = [...declaredBy(ts, statement).keys()];
    return declared.length > 0 && declared.every((name) => again.has(name));
  };
  const referring = file.statements
    .filter((one) => !isGone(one))
    .flatMap((one) => references(ts, one, names));
  if (referring.length === 0) return declarations;

  // What is kept may itself refer to what is declared again.
  const kept = new Set<ts.Statement>();
  const keep = (name: string): void => {
    for (const statement of before.get(name)!) {
      if (kept.has(statement)) continue;
      kept.add(statement);
      for (const { text } of references(ts, statement, names)) keep(text);
    }
  };
  for (const { text } of referring) keep(text);

  const numbers = [...declarations.matchAll(new RegExp(`\\b${EARLIER}(\\d+)\\b`, "g"))].map(([, n]) =>
    Number(n),
  );
  const space = `${EARLIER}${Math.max(0, ...numbers) + 1}`;
  const imported = (name: string) => before.get(name)!.some(ts.isImportDeclaration);
  let text = declarations;
  for (const identifier of referring.toSorted((a, b) => b.end - a.end)) {
    const name = imported(identifier.text) ? `${space}_${identifier.text}` : `${space}.${identifier.text}`;
    text = text.slice(0, identifier.getStart(file)) + name + text.slice(identifier.end);
  }
  return text + keptText(ts, [...kept], names, space);
}

/** Earlier meanings: imports under names of their own, all else in a namespace. */
function keptText(
  ts: TypeScript,
  kept: readonly ts.Statement[],
  names: ReadonlySet<string>,
  space: string,
): string {
  const imports = kept.filter(ts.isImportDeclaration).flatMap((statement) =>
    [...declaredBy(ts, statement)]
      .filter(([name]) => names.has(name))
      .map(([name, source]) => {
        const [, what, from] = /^(default|\*|\{ .* \}) (.*)$/.exec(source)!;
        const alias = `${space}_${name}`;
        const clause =
          what === "default" ? alias : what === "*" ? `* as ${alias}` : what.replace(" }", ` as ${alias} }`);
        return `import ${clause} from ${JSON.stringify(from)};\n`;
      }),
  );
  const others = kept.filter((statement) => !ts.isImportDeclaration(statement));
  if (others.length === 0) return imports.join("");
  const aliases = imports.length > 0 ? importAliases(ts, kept, names, space) : "";
  return `${imports.join("")}declare namespace ${space} {\n${aliases}${others.map((one) => inNamespace(ts, one)).join("\n")}\n}\n`;
}

/** Within the namespace, imported names by their own. */
const importAliases = (
  ts: TypeScript,
  kept: readonly ts.Statement[],
  names: ReadonlySet<string>,
  space: string,
): string =>
  kept
    .filter(ts.isImportDeclaration)
    .flatMap((one) => [...declaredBy(ts, one).keys()].filter((name) => names.has(name)))
    .map((name) => `import ${name} = ${space}_${name};\n`)
    .join("");

export interface Continued {
  /** What a cell needs at its end to see the members that its namespaces have already. */
  readonly text: string;
  readonly names: ReadonlySet<string>;
}

/** The members that earlier cells gave to the namespaces of this one, apart from those that it declares again. */
export function continuedNamespaces(ts: TypeScript, declarations: string, code: string): Continued {
  const none = { text: "", names: new Set<string>() };
  if (!/\bnamespace\b/.test(code) || !/\bnamespace\b/.test(declarations)) return none;
  const now = parse(ts, code).statements.filter((one) => isNamespace(ts, one));
  const names = new Set<string>();
  const parts: string[] = [];
  for (const earlier of parse(ts, declarations).statements) {
    if (!isNamespace(ts, earlier)) continue;
    const same = now.filter(({ name }) => name.text === earlier.name.text);
    if (same.length === 0) continue;
    names.add(earlier.name.text);
    const again = new Set(
      same.flatMap(({ body }) => body.statements.flatMap((one) => [...declaredBy(ts, one).keys()])),
    );
    const kept = earlier.body.statements.filter(
      (one) => ![...declaredBy(ts, one).keys()].some((name) => again.has(name)),
    );
    parts.push(`\ndeclare namespace ${earlier.name.text} { ${kept.map((one) => one.getText()).join("\n")} }`);
  }
  return { text: parts.join(""), names };
}

/** The values among declarations, each with its type as text. */
export function declaredNames(ts: TypeScript, declarations: string): { name: string; type: string }[] {
  const file = parse(ts, declarations);
  const names = file.statements.flatMap((statement): [string, string][] => {
    if (ts.isVariableStatement(statement))
      return statement.declarationList.declarations.map(({ name, type, initializer }) => [
        name.getText(file),
        (type ?? initializer)?.getText(file) ?? "any",
      ]);
    if (ts.isFunctionDeclaration(statement) && statement.name) return [[statement.name.text, "function"]];
    if (ts.isClassDeclaration(statement) && statement.name) return [[statement.name.text, "class"]];
    if (ts.isEnumDeclaration(statement)) return [[statement.name.text, "enum"]];
    return ts.isImportDeclaration(statement)
      ? [...declaredBy(ts, statement).keys()].map((name): [string, string] => [name, "imported"])
      : [];
  });
  const own = names.filter(([name]) => !name.startsWith(EARLIER));
  return [...new Map(own)]
    .map(([name, type]) => ({ name, type: type.replace(/\s+/g, " ") }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
