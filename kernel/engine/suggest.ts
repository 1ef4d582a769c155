/** The imports that would give a cell the names it lacks. */
import { isBuiltin } from "node:module";
import type ts from "typescript";
import type { NotebookProgram } from "./program.ts";
import type { TypeScript } from "./typescript.ts";

/** "Cannot find name", alone, with a suggestion, or with a package to install. */
const UNKNOWN_NAME = new Set([2304, 2552, 2580, 2582, 2584, 2591, 2592, 2593]);
/** More than this many sentences nobody reads. */
const MAX_NAMES = 3;
const MAX_CHOICES = 3;

/** `"fs"` as `"node:fs"`. */
const withScheme = (quoted: string, name: string) =>
  isBuiltin(name) && !name.startsWith("node:") ? `"node:${name}"` : quoted;

/** For each name that a cell lacks, the lines that import it, likeliest first. */
export function importsFor(
  ts: TypeScript,
  notebook: NotebookProgram,
  diagnostics: readonly ts.Diagnostic[],
): string[] {
  const unknown = diagnostics.filter(({ code, file }) => UNKNOWN_NAME.has(code) && file);
  const names = new Map(
    unknown.map((one) => [one.file!.text.slice(one.start, one.start! + one.length!), one] as const),
  );
  const service = notebook.languageService();
  return [...names].slice(0, MAX_NAMES).flatMap(([name, { file, start, length, code }]) => {
    const fixes = service.getCodeFixesAtPosition(
      file!.fileName,
      start!,
      start! + length!,
      [code],
      ts.getDefaultFormatCodeSettings("\n"),
      { quotePreference: "double" },
    );
    const lines = fixes
      .filter(({ fixName }) => fixName === "import")
      .flatMap(({ changes }) => changes.flatMap(({ textChanges }) => textChanges))
      .flatMap(({ newText }) => /^import [^\n]*$/m.exec(newText) ?? [])
      .map((line) => line.replace(/;?\s*$/, "").replace(/"([^"]+)"$/, withScheme))
      // Modules of Node that are functions have the names of each function, such as `length`.
      .filter((line) => !(Object.hasOwn(Function.prototype, name) && line.includes('"node:')));
    const choices = [...new Set(lines)].slice(0, MAX_CHOICES);
    return choices.length > 0 ? [`it may be meant: ${choices.join(", or ")}`] : [];
  });
}
