/** Parameters of a notebook, by papermill's convention: a cell tagged `parameters`, and another that overrides it. */
import { createRequire } from "node:module";
import type TypeScript from "typescript";
import { type CodeCell, hasTag, type Notebook, newCellId } from "./format.ts";

export type Parameters = Readonly<Record<string, unknown>>;

const TAG = "parameters";
const INJECTED = "injected-parameters";

const WORDS: Readonly<Record<string, unknown>> = { True: true, False: false, None: null, "~": null };
const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i;

/** The value of a parameter given as text: JSON where it is JSON (numbers, true, null, lists), else the text. */
export function parseParameter(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Numbers and words that YAML and Python write otherwise than JSON.
    if (NUMBER.test(text)) return Number(text);
    return Object.hasOwn(WORDS, text) ? WORDS[text] : text;
  }
}

interface Declaration {
  readonly keyword: string;
  /** `: type`, or nothing. */
  readonly type: string;
}

/** The variables that a cell declares. The compiler is loaded for it, since types hold any syntax. */
function declarations(source: string): Map<string, Declaration> {
  const found = new Map<string, Declaration>();
  if (source === "") return found;
  const ts = createRequire(import.meta.url)("typescript") as typeof TypeScript;
  const file = ts.createSourceFile("cell.ts", source, ts.ScriptTarget.Latest);
  for (const statement of file.statements) {
    if (!ts.isVariableStatement(statement)) continue;
    const { flags, declarations } = statement.declarationList;
    const keyword = flags & ts.NodeFlags.Const ? "const" : flags & ts.NodeFlags.Let ? "let" : "var";
    for (const { name, type } of declarations)
      if (ts.isIdentifier(name))
        found.set(name.text, { keyword, type: type ? `: ${type.getText(file)}` : "" });
  }
  return found;
}

/**
 * A copy of the notebook with the parameters set in a cell of their own, after the one tagged `parameters` (which
 * declares their defaults) or at the top; one from an earlier run is replaced. Also the names that no cell declares.
 */
export function injectParameters(
  notebook: Notebook,
  parameters: Parameters,
): { notebook: Notebook; unknown: string[] } {
  const earlier = notebook.cells.findIndex((cell) => hasTag(cell, INJECTED));
  const cells = notebook.cells.filter((cell) => !hasTag(cell, INJECTED));
  const defaults = cells.findIndex((cell) => cell.cell_type === "code" && hasTag(cell, TAG));
  const declared = declarations(defaults < 0 ? "" : cells[defaults].source);
  const unknown: string[] = [];
  const lines = Object.entries(parameters).map(([name, value]) => {
    if (!/^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name))
      throw new Error(`parameter ${JSON.stringify(name)}: a name of a variable expected`);
    if (!declared.has(name)) unknown.push(name);
    const { keyword, type } = declared.get(name) ?? { keyword: "let", type: "" };
    return `${keyword} ${name}${type} = ${JSON.stringify(value)};`;
  });
  const cell: CodeCell = {
    cell_type: "code",
    id: newCellId(),
    metadata: { tags: [INJECTED] },
    source: ["// Parameters", ...lines].join("\n"),
    outputs: [],
    execution_count: null,
  };
  const at = defaults < 0 ? Math.max(earlier, 0) : defaults + 1;
  return { notebook: { ...notebook, cells: cells.toSpliced(at, 0, cell) }, unknown };
}
