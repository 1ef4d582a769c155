/** What the compiler tells of code that has not run, and of what a reader types into a debugger's console. */
import type ts from "typescript";
import type { TypeScript } from "../engine/typescript.ts";

/** Whether a statement leaves nothing to stop at: declarations of types, and of what is there before the code runs. */
function isSilent(ts: TypeScript, node: ts.Node): boolean {
  const isAmbient =
    ts.canHaveModifiers(node) &&
    ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.DeclareKeyword) === true;
  return (
    isAmbient ||
    ts.isBlock(node) ||
    ts.isEmptyStatement(node) ||
    ts.isFunctionDeclaration(node) ||
    ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node)
  );
}

/** The lines, from 1, on which a program can stop; where it ran already, its script knows better. */
export function statementLines(ts: TypeScript, code: string): number[] {
  const file = ts.createSourceFile("cell.tsx", code, ts.ScriptTarget.ESNext, true);
  const lines = new Set<number>();
  const add = (at: number) => lines.add(file.getLineAndCharacterOfPosition(at).line + 1);
  const visit = (node: ts.Node): void => {
    if (ts.isStatement(node) && !isSilent(ts, node)) add(node.getStart(file));
    if (ts.isFunctionLike(node) && "body" in node && node.body) {
      const body = node.body as ts.Node;
      if (ts.isBlock(body)) add(body.end - 1);
      else add(body.getStart(file));
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return [...lines].sort((a, b) => a - b);
}

/** TypeScript as the JavaScript that it means. */
export const withoutTypes = (ts: TypeScript, code: string): string =>
  ts.transpile(code, { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext });
