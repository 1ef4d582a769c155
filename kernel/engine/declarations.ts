/** What a cell declares, as the compiler bound it. */
import type ts from "typescript";
import type { TypeScript } from "./typescript.ts";

type Keyword = "const" | "let" | "var";

/** The names that a pattern binds. */
export function namesOf(ts: TypeScript, name: ts.BindingName): string[] {
  if (ts.isIdentifier(name)) return [name.text];
  return name.elements.flatMap((element) => (ts.isBindingElement(element) ? namesOf(ts, element.name) : []));
}

export function keywordOf(ts: TypeScript, { flags }: ts.VariableDeclarationList): Keyword {
  if (flags & ts.NodeFlags.Const) return "const";
  return flags & ts.NodeFlags.Let ? "let" : "var";
}

/** The cell's names, by which the compiler knows them. */
export const localsOf = (file: ts.SourceFile) =>
  (file as ts.SourceFile & { locals: Map<string, ts.Symbol> }).locals;

/** The blocks by which a cell adds to what is global, or to a module. */
const augmentationsOf = (ts: TypeScript, file: ts.SourceFile): ts.ModuleDeclaration[] =>
  file.statements.filter(
    (one): one is ts.ModuleDeclaration =>
      ts.isModuleDeclaration(one) &&
      ((one.flags & ts.NodeFlags.GlobalAugmentation) !== 0 || ts.isStringLiteral(one.name)),
  );

/** Whether a cell adds to what is global, or to a module. */
export const isAugmenting = (ts: TypeScript, file: ts.SourceFile): boolean =>
  augmentationsOf(ts, file).length > 0;

/** What a cell adds to what is global and to modules, to its members' names: `global Array last`. */
export function addedNames(ts: TypeScript, file: ts.SourceFile): ReadonlySet<string> {
  const names = new Set<string>();
  const add = (node: ts.Node, within: string): void => {
    if (ts.isVariableStatement(node)) {
      for (const one of node.declarationList.declarations) add(one, within);
      return;
    }
    // A signature, which has no name, goes by its text.
    const name = (node as ts.NamedDeclaration).name ?? node;
    const path = `${within} ${name.getText(file)}`;
    const body = ts.isModuleDeclaration(node) ? node.body : undefined;
    const members = ts.isInterfaceDeclaration(node) ? node.members : undefined;
    const parts = body && ts.isModuleBlock(body) ? body.statements : (members ?? (body ? [body] : []));
    // What has no parts counts by itself.
    if (parts.length === 0) names.add(path);
    for (const part of parts) add(part, path);
  };
  for (const block of augmentationsOf(ts, file)) add(block, "");
  return names;
}

/**
 * Lets the namespaces of a cell go on where earlier cells ended, and returns their names: members of before that are not
 * declared again are members of the new ones.
 */
export function continued(
  ts: TypeScript,
  file: ts.SourceFile,
  earlier: (name: string) => ts.Symbol | undefined,
): ReadonlySet<string> {
  const names = new Set<string>();
  for (const symbol of localsOf(file).values()) {
    const before = symbol.flags & ts.SymbolFlags.Namespace ? earlier(symbol.name) : undefined;
    if (!before?.exports || !(before.flags & ts.SymbolFlags.Namespace)) continue;
    if (!symbol.declarations?.every(ts.isModuleDeclaration)) continue;
    names.add(symbol.name);
    continueNamespace(ts, symbol, before);
  }
  return names;
}

/** Gives a namespace the members of the one that it continues, and so those within it theirs. */
function continueNamespace(ts: TypeScript, symbol: ts.Symbol, before: ts.Symbol): void {
  symbol.exports ??= new Map() as ts.SymbolTable;
  for (const [member, meaning] of before.exports ?? []) {
    const own = symbol.exports.get(member);
    if (
      own &&
      own.flags & meaning.flags & ts.SymbolFlags.Namespace &&
      own.declarations?.every(ts.isModuleDeclaration)
    )
      continueNamespace(ts, own, meaning);
    if (own) continue;
    symbol.exports.set(member, meaning);
    Object.assign(meaning, { parent: symbol });
  }
}

/**
 * The text of a cell as later cells are to know it: a variable that the compiler gives a type only as it is assigned
 * (`let a;`), which works within one file, is `any`, and one that has no value yet (`let a: string`) may be given it by
 * another cell. Undefined where there is no such variable.
 */
export function annotated(ts: TypeScript, file: ts.SourceFile): string | undefined {
  let text = file.text;
  const isNothing = (node: ts.Expression | undefined): boolean =>
    node === undefined ||
    node.kind === ts.SyntaxKind.NullKeyword ||
    (ts.isIdentifier(node) && node.text === "undefined");
  const typeOf = (one: ts.VariableDeclaration): string => {
    if (!ts.isIdentifier(one.name) || !ts.isVariableDeclarationList(one.parent)) return "";
    if (one.type) return one.initializer || one.exclamationToken ? "" : "!";
    if (ts.isForInStatement(one.parent.parent) || ts.isForOfStatement(one.parent.parent)) return "";
    const { initializer } = one;
    if (initializer && ts.isArrayLiteralExpression(initializer) && initializer.elements.length === 0)
      return ": any[]";
    return isNothing(initializer) && keywordOf(ts, one.parent) !== "const" ? ": any" : "";
  };
  const declared = [...localsOf(file).values()]
    .flatMap(({ declarations = [] }) => declarations)
    .filter(ts.isVariableDeclaration)
    .sort((a, b) => b.name.end - a.name.end);
  for (const one of declared) text = text.slice(0, one.name.end) + typeOf(one) + text.slice(one.name.end);
  return text === file.text ? undefined : text;
}
