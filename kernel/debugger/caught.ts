/**
 * Whether an exception will be handled. V8 cannot say: the kernel itself catches what a cell throws, so that to V8 all is
 * handled. The code is looked at instead, each function from where it is in it.
 */
import type ts from "typescript";
import type { TypeScript } from "../engine/typescript.ts";

/** A position in JavaScript, from 0. */
export interface CodePosition {
  readonly text: string;
  readonly line: number;
  readonly column: number;
}

const KEPT = 20;

export function createCatchFinder(ts: TypeScript): (position: CodePosition) => boolean {
  const files = new Map<string, ts.SourceFile>();
  function parse(text: string): ts.SourceFile {
    let file = files.get(text);
    if (!file) {
      file = ts.createSourceFile("code.js", text, ts.ScriptTarget.ESNext, true, ts.ScriptKind.JS);
      if (files.size >= KEPT) files.delete(files.keys().next().value!);
      files.set(text, file);
    }
    return file;
  }

  /** The innermost node at a place in the text. */
  function nodeAt(file: ts.SourceFile, at: number): ts.Node {
    let node: ts.Node = file;
    for (let inner: ts.Node | undefined = node; inner; ) {
      node = inner;
      inner = ts.forEachChild(node, (child) =>
        child.getStart(file) <= at && at < child.end ? child : undefined,
      );
    }
    return node;
  }

  return ({ text, line, column }) => {
    const file = parse(text);
    const starts = file.getLineStarts();
    if (line < 0 || line >= starts.length) return false;
    for (let node = nodeAt(file, starts[line] + column); node.parent; node = node.parent) {
      if (ts.isFunctionLike(node)) return false;
      const { parent } = node;
      if (ts.isTryStatement(parent) && parent.tryBlock === node && parent.catchClause) return true;
    }
    return false;
  };
}
