/** What to write in place of what cells cannot: one sentence beside an error of the compiler's. */
import type ts from "typescript";

/** Names of browsers and what stands for them here. */
const NAMES: Record<string, string> = {
  document: "a cell runs in Node, which has no page; display.html shows HTML",
  window: "a cell runs in Node, which has no window; globals are properties of globalThis",
  localStorage: "a cell runs in Node, which keeps things in files",
  print: "a cell prints with console.log",
};

/** The sentence for the errors of a cell, if there is one. */
export function hintFor(diagnostics: readonly ts.Diagnostic[], code: string): string | undefined {
  const names = diagnostics
    .filter(({ code: number }) => number === 2304 || number === 2552 || number === 2584)
    .map(({ start, length }) => code.slice(start, start! + length!));
  const named = names.find((name) => Object.hasOwn(NAMES, name));
  if (named !== undefined) return NAMES[named];
  if (diagnostics.some(({ code: number }) => number === 2875))
    return "JSX needs a package that makes something of it (%npm install preact); HTML is shown by display.html`<b>text</b>`";
  if (diagnostics.some(({ code: number }) => number === 7006))
    return "a parameter says its type: (x: number) => x; a cell that begins with // @no-strict may leave types out, and one with // @ts-nocheck is not checked at all";
  return undefined;
}
