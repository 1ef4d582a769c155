/**
 * Declarations of what the compiler refuses to declare: a variable whose type it cannot write for other packages to read
 * (a type that a package does not export, one that is declared inside of a function). Later cells are no other package:
 * the type is written with the files that declare its parts, and what only its own cell can name becomes `any`. And of variables that are declared inside of a block.
 */
import type ts from "typescript";
import type { TypeScript } from "./typescript.ts";

/** What the compiler's declarations leave out of its checker. */
interface CheckerInternals {
  resolveName(
    name: string,
    at: ts.Node,
    meaning: ts.SymbolFlags,
    excludeGlobals: boolean,
  ): ts.Symbol | undefined;
}

export interface Declared {
  readonly text: string;
  /** What a reader should know of it. */
  readonly notes: readonly string[];
}

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

/** The variables and functions of a cell within which the compiler found a type that it cannot write. */
function unwritten(ts: TypeScript, file: ts.SourceFile, positions: readonly number[]): [string, Keyword][] {
  const holds = (node: ts.Node) => positions.some((at) => node.pos <= at && at < node.end);
  return file.statements.flatMap((statement): [string, Keyword][] => {
    if (ts.isFunctionDeclaration(statement) && statement.name && holds(statement))
      return [[statement.name.text, "const"]];
    if (!ts.isVariableStatement(statement)) return [];
    const keyword = keywordOf(ts, statement.declarationList);
    const named = statement.declarationList.declarations
      .filter(holds)
      .flatMap(({ name }) => namesOf(ts, name));
    return named.map((name) => [name, keyword]);
  });
}

/** The cell's names, by which the compiler knows them. */
const localsOf = (file: ts.SourceFile) => (file as ts.SourceFile & { locals: Map<string, ts.Symbol> }).locals;

/** Variables that `var` declares within a statement of the cell: they are the cell's, and no declaration has them. */
function nested(ts: TypeScript, file: ts.SourceFile): [string, Keyword][] {
  const isNested = ({ valueDeclaration }: ts.Symbol): boolean => {
    const list = valueDeclaration && ts.findAncestor(valueDeclaration, ts.isVariableDeclarationList);
    return list !== undefined && (!ts.isVariableStatement(list.parent) || list.parent.parent !== file);
  };
  return [...localsOf(file)]
    .filter(([, symbol]) => symbol.flags & ts.SymbolFlags.FunctionScopedVariable && isNested(symbol))
    .map(([name]) => [name, "var"]);
}

/** The type of a name of the cell as text, and the names of its parts that later cells have no way to name. */
function typeText(
  ts: TypeScript,
  checker: ts.TypeChecker,
  file: ts.SourceFile,
  name: ts.Symbol,
): { text: string; hidden: string[] } {
  const { resolveName } = checker as unknown as CheckerInternals;
  const flags =
    ts.NodeBuilderFlags.NoTruncation |
    ts.NodeBuilderFlags.AllowNodeModulesRelativePaths |
    ts.NodeBuilderFlags.UseStructuralFallback |
    ts.NodeBuilderFlags.MultilineObjectLiterals |
    ts.NodeBuilderFlags.WriteClassExpressionAsTypeLiteral |
    ts.NodeBuilderFlags.IgnoreErrors;
  const node = checker.typeToTypeNode(checker.getTypeOfSymbol(name), file, flags);
  const hidden: string[] = [];
  const meaning = ts.SymbolFlags.Type | ts.SymbolFlags.Value | ts.SymbolFlags.Namespace;
  const leftmost = (entity: ts.Node): ts.Node =>
    ts.isQualifiedName(entity)
      ? leftmost(entity.left)
      : ts.isPropertyAccessExpression(entity)
        ? leftmost(entity.expression)
        : entity;
  const isKnown = (entity: ts.Node): boolean => {
    const first = leftmost(entity) as ts.Identifier & { symbol?: ts.Symbol };
    if (!first.symbol || first.symbol.flags & ts.SymbolFlags.TypeParameter) return true;
    return resolveName(first.text, file, meaning, false) !== undefined;
  };
  const anyType = (entity: ts.Node): ts.TypeNode => {
    hidden.push((leftmost(entity) as ts.Identifier).text);
    return ts.factory.createKeywordTypeNode(ts.SyntaxKind.AnyKeyword);
  };
  const { transformed } = ts.transform(node!, [
    (context) => (root) => {
      const visit = (part: ts.Node): ts.Node => {
        if (ts.isTypeReferenceNode(part) && !isKnown(part.typeName)) return anyType(part.typeName);
        if (ts.isTypeQueryNode(part) && !ts.isImportTypeNode(part.exprName) && !isKnown(part.exprName))
          return anyType(part.exprName);
        return ts.visitEachChild(part, visit, context);
      };
      return ts.visitNode(root, visit) as ts.TypeNode;
    },
  ]);
  const text = ts
    .createPrinter({ newLine: ts.NewLineKind.LineFeed, removeComments: true })
    .printNode(ts.EmitHint.Unspecified, transformed[0], file);
  return { text, hidden };
}

/** `declarations` without those of some variables and functions. */
function without(ts: TypeScript, declarations: string, names: ReadonlyMap<string, unknown>): string {
  const file = ts.createSourceFile("cell.d.ts", declarations, ts.ScriptTarget.ESNext, true);
  const isGone = (name: ts.Node | undefined) =>
    name !== undefined && ts.isIdentifier(name) && names.has(name.text);
  const kept = file.statements.map((statement) => {
    if (ts.isFunctionDeclaration(statement) && isGone(statement.name)) return "";
    if (!ts.isVariableStatement(statement)) return statement.getFullText(file);
    const { declarations } = statement.declarationList;
    if (!declarations.some(({ name }) => isGone(name))) return statement.getFullText(file);
    const keyword = keywordOf(ts, statement.declarationList);
    return declarations
      .filter(({ name }) => !isGone(name))
      .map((one) => `\ndeclare ${keyword} ${one.getText(file)};`)
      .join("");
  });
  return kept.join("");
}

/**
 * The declarations of a cell as the compiler wrote them, with those that it could not write.
 * @param positions where in the cell it said so
 */
export function withUnnamed(
  ts: TypeScript,
  checker: ts.TypeChecker,
  file: ts.SourceFile,
  declarations: string,
  positions: readonly number[],
): Declared {
  const names = new Map([...unwritten(ts, file, positions), ...nested(ts, file)]);
  if (names.size === 0) return { text: declarations, notes: [] };
  const notes: string[] = [];
  const declared = [...names].map(([name, keyword]) => {
    const { text, hidden } = typeText(ts, checker, file, localsOf(file).get(name)!);
    const own = [...new Set(hidden)].filter((part) =>
      new RegExp(`\\b(class|interface|enum|type)\\s+${part}\\b`).test(file.text),
    );
    if (own.length > 0)
      notes.push(
        `note: in later cells the type of ${name} has any in place of ${own.join(", ")}, which is declared inside of a block; declared at the top of a cell it keeps its type`,
      );
    return `declare ${keyword} ${name}: ${text};\n`;
  });
  return { text: `${without(ts, declarations, names)}\n${declared.join("")}`, notes };
}
