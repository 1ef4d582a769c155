/** Runs a notebook and compares its outputs with those that it holds. */
import { dirname, resolve } from "node:path";
import { compareOutputs, type Difference, isLoader } from "./compare/outputs.ts";
import { type CodeCell, type Notebook, readNotebook, writeNotebook } from "./format.ts";
import { type CellOptions, type CellsResult, isCleared, runCells } from "./run.ts";
import { isIgnored, rulesOf, type Settings } from "./settings.ts";

export interface TestOptions extends Omit<CellOptions, "allowErrors">, Partial<Settings> {
  /** Writes the new outputs of the cells that differ into the notebook. */
  readonly update?: boolean;
}

export interface TestedCell {
  readonly cell: CodeCell;
  /** From 1, among the cells that run. */
  readonly index: number;
  readonly outcome: "agrees" | "differs" | "ignored" | "not run";
  readonly differences: readonly Difference[];
}

export interface TestResult {
  readonly cells: readonly TestedCell[];
  readonly compared: number;
  readonly differ: number;
  readonly ignored: number;
  readonly notRun: number;
  /** Whether the notebook was written. */
  readonly updated: boolean;
  readonly seconds: number;
  readonly interrupted: boolean;
  /** The sentence about the cell at which the run stopped. */
  readonly failed?: string;
}

/** What a cell held before it was run. */
interface Held {
  readonly outputs: CodeCell["outputs"];
  readonly execution: unknown;
}

/** Runs a notebook as `runNotebook` does, and compares; rejects if it cannot be read or written, or no kernel starts. */
export async function testNotebook(path: string, options: TestOptions = {}): Promise<TestResult> {
  const notebook = await readNotebook(path);
  const rules = rulesOf(notebook, { tolerance: options.tolerance, ignore: options.ignore ?? [] });
  // Of a notebook that is updated nothing changes but the outputs.
  const metadata = structuredClone(notebook.metadata);
  const held = new Map<CodeCell, Held>();
  for (const cell of notebook.cells)
    if (cell.cell_type === "code")
      held.set(cell, { outputs: cell.outputs, execution: cell.metadata.execution });

  const kernel = { cwd: dirname(resolve(path)), ...options.kernel };
  const run = await runCells(notebook, { ...options, kernel });
  const cells = await compareCells(notebook, run, held, rules);
  const count = (outcome: TestedCell["outcome"]) => cells.filter((cell) => cell.outcome === outcome).length;
  const differ = count("differs");
  const whole = run.failed === undefined && !run.interrupted;
  const updated = options.update === true && whole && differ > 0;
  if (updated) {
    for (const cell of cells) if (cell.outcome !== "differs") restore(cell.cell, held.get(cell.cell)!);
    await writeNotebook(resolve(path), { ...notebook, metadata });
  }
  return {
    cells,
    compared: count("agrees") + differ,
    differ,
    ignored: count("ignored"),
    notRun: count("not run"),
    updated,
    seconds: run.seconds,
    interrupted: run.interrupted,
    failed: run.failed?.reason,
  };
}

/** The outputs that a cell had, so that an update leaves no traces of what means nothing; but as it was counted now. */
function restore(cell: CodeCell, { outputs, execution }: Held): void {
  // Plotly.js comes with the first figure, which may be another cell's now.
  if (cell.outputs.some(isLoader) !== outputs.some(isLoader)) return;
  cell.outputs = outputs.map((output) =>
    output.output_type === "execute_result" ? { ...output, execution_count: cell.execution_count } : output,
  );
  if (execution === undefined) delete cell.metadata.execution;
  else cell.metadata.execution = execution;
}

async function compareCells(
  notebook: Notebook,
  { failed, interrupted }: CellsResult,
  held: ReadonlyMap<CodeCell, Held>,
  rules: ReturnType<typeof rulesOf>,
): Promise<TestedCell[]> {
  const cells: TestedCell[] = [];
  let index = 0;
  for (const cell of notebook.cells) {
    if (cell.cell_type !== "code" || cell.source.trim() === "") continue;
    if (isCleared(cell)) index++;
    const place = { cell, index };
    if (!isCleared(cell)) cells.push({ ...place, outcome: "ignored", differences: [] });
    else if (cell === failed?.cell)
      cells.push({ ...place, outcome: "differs", differences: [failure(failed.reason)] });
    // What was run has times; a cell that Ctrl-C stopped has them, too.
    else if ((failed && index > failed.index) || (interrupted && cell.metadata.execution === undefined))
      cells.push({ ...place, outcome: "not run", differences: [] });
    else if (isIgnored(cell)) cells.push({ ...place, outcome: "ignored", differences: [] });
    else {
      const differences = await compareOutputs(held.get(cell)!.outputs, cell.outputs, rules(cell));
      cells.push({ ...place, outcome: differences.length > 0 ? "differs" : "agrees", differences });
    }
  }
  return cells;
}

const failure = (reason: string): Difference => ({
  place: "it failed, and the run stopped (a cell that is to fail has the tag raises-exception)",
  lines: reason.split("\n").map((line) => `+ ${line}`),
});
