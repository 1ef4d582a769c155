/** Parameters of a notebook, by papermill's convention: a cell tagged `parameters`, and another that overrides it. */
import { type Cell, type CodeCell, type Notebook, newCellId } from "./format.ts";

export type Parameters = Readonly<Record<string, unknown>>;

const TAG = "parameters";
const INJECTED = "injected-parameters";

/** The value of a parameter given as text: JSON where it is JSON (numbers, true, null, lists), else the text. */
export function parseParameter(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const hasTag = (cell: Cell, tag: string) =>
  (cell.metadata.tags as string[] | undefined)?.includes(tag) === true;

/**
 * A copy of the notebook with the parameters set in a cell of their own, after the one tagged `parameters` (which
 * declares their defaults) or at the top; one from an earlier run is replaced. Also the names that no cell declares.
 */
export function injectParameters(
  notebook: Notebook,
  parameters: Parameters,
): { notebook: Notebook; unknown: string[] } {
  const cells = notebook.cells.filter((cell) => !hasTag(cell, INJECTED));
  const at = cells.findIndex((cell) => cell.cell_type === "code" && hasTag(cell, TAG));
  const source = at < 0 ? "" : cells[at].source;
  const unknown: string[] = [];
  const lines = Object.entries(parameters).map(([name, value]) => {
    if (!/^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name))
      throw new Error(`parameter ${JSON.stringify(name)}: a name of a variable expected`);
    const declared = new RegExp(`\\b(let|const|var)\\s+${name.replaceAll("$", "\\$")}\\b(\\s*:[^=]+)?`).exec(
      source,
    );
    if (!declared) unknown.push(name);
    const [, keyword, type = ""] = declared ?? [];
    return `${keyword ?? "let"} ${name}${type.trimEnd()} = ${JSON.stringify(value)};`;
  });
  const cell: CodeCell = {
    cell_type: "code",
    id: newCellId(),
    metadata: { tags: [INJECTED] },
    source: ["// Parameters", ...lines].join("\n"),
    outputs: [],
    execution_count: null,
  };
  return { notebook: { ...notebook, cells: cells.toSpliced(at + 1, 0, cell) }, unknown };
}
