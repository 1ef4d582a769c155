/**
 * Scripts of cells that are written without the compiler, whose way from a module to CommonJS takes as long as all else of
 * a small cell: those that import nothing, and declare constants, functions and classes alone. Their exports are a few
 * assignments between the statements. (A variable lives on `exports`, so that each use of it is written anew.)
 */
import type ts from "typescript";
import { namesOf } from "./declarations.ts";
import type { TypeScript } from "./typescript.ts";

export interface PlainScript {
  readonly code: string;
  /** The lines of `code` before the module's first. */
  readonly before: number;
  readonly declared: ReadonlySet<string>;
}

/** How tslab exports the value of a cell's last expression, and how a script does, with columns as they are. */
const MODULES = "export const ";
const SCRIPTS = "     exports.";
const LAST = /^tsLastExpr/;

const isExport = (ts: TypeScript, { kind }: ts.ModifierLike): boolean => kind === ts.SyntaxKind.ExportKeyword;

/** Whether a statement exports the value of the last expression. */
const isLastValue = (ts: TypeScript, { modifiers, declarationList }: ts.VariableStatement): boolean => {
  const [first, ...others] = declarationList.declarations;
  const isOne = others.length === 0 && ts.isIdentifier(first.name) && LAST.test(first.name.text);
  return isOne && modifiers?.length === 1 && isExport(ts, modifiers[0]);
};

/** What a statement declares; undefined where the compiler has to write it. */
function declaredBy(ts: TypeScript, statement: ts.Statement): readonly string[] | undefined {
  if (ts.isVariableStatement(statement)) {
    const { flags, declarations } = statement.declarationList;
    const isConstant = (flags & ts.NodeFlags.BlockScoped) === ts.NodeFlags.Const;
    return isConstant && !statement.modifiers
      ? declarations.flatMap(({ name }) => namesOf(ts, name))
      : undefined;
  }
  if (ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement))
    return statement.name && !statement.modifiers?.some((one) => isExport(ts, one))
      ? [statement.name.text]
      : undefined;
  return ts.isImportDeclaration(statement) ||
    ts.isExportDeclaration(statement) ||
    ts.isExportAssignment(statement)
    ? undefined
    : [];
}

/** The names of `export { a, b }`; undefined for an export of another kind. */
function exportedBy(ts: TypeScript, statement: ts.Statement | undefined): readonly string[] | undefined {
  if (!statement || !ts.isExportDeclaration(statement) || statement.moduleSpecifier) return undefined;
  if (!statement.exportClause || !ts.isNamedExports(statement.exportClause)) return undefined;
  const { elements } = statement.exportClause;
  return elements.some(({ propertyName }) => propertyName)
    ? undefined
    : elements.map(({ name }) => name.text);
}

/**
 * The script of a module as tslab makes it, if it needs no compiler. No statement of it may assign to a function or a
 * class, which a cell can only do that hides the compiler's error.
 */
export function plainScript(ts: TypeScript, file: ts.SourceFile): PlainScript | undefined {
  const last = file.statements.at(-1);
  const exported = exportedBy(ts, last);
  if (!last || !exported) return undefined;
  const declared = new Set<string>();
  const constants: string[] = [];
  const functions: string[] = [];
  let code = "";
  let done = 0;
  for (const statement of file.statements.slice(0, -1)) {
    if (ts.isVariableStatement(statement) && isLastValue(ts, statement)) {
      const start = statement.getStart(file);
      constants.push(statement.declarationList.declarations[0].name.getText(file));
      code += file.text.slice(done, start) + SCRIPTS;
      done = start + MODULES.length;
      continue;
    }
    const names = declaredBy(ts, statement);
    if (!names) return undefined;
    for (const name of names) declared.add(name);
    const shared = names.filter((name) => exported.includes(name));
    if (ts.isFunctionDeclaration(statement)) functions.push(...shared);
    else {
      constants.push(...shared);
      code +=
        file.text.slice(done, statement.end) + shared.map((name) => ` exports.${name} = ${name};`).join("");
      done = statement.end;
    }
  }
  // What is exported must be declared here.
  if (!exported.every((name) => declared.has(name)) || declared.has("exports")) return undefined;
  code += file.text.slice(done, last.getStart(file)) + file.text.slice(last.end);
  const cleared = constants.map((name) => `exports.${name} = `).join("");
  const hoisted = functions.map((name) => ` exports.${name} = ${name};`).join("");
  return { code: `"use strict"; ${cleared && `${cleared}void 0;`}${hoisted}\n${code}`, before: 1, declared };
}
