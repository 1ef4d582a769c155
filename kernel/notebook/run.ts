/** Runs a notebook through a kernel, as a front end's "run all" would, without one. */
import { dirname, resolve } from "node:path";
import { type KernelOptions, type KernelProcess, startKernel } from "../client/process.ts";
import { DISPLAY_NAME, KERNEL_NAME } from "../install/build.ts";
import type { Message } from "../protocol/message.ts";
import { type CodeCell, hasTag, type Notebook, readNotebook, writeNotebook } from "./format.ts";
import { outputCollector } from "./outputs.ts";
import { injectParameters, type Parameters } from "./parameters.ts";
import { spacedSaves } from "./saves.ts";
import { collectWidgets } from "./widget-state.ts";

export interface CellOptions {
  /** Goes on after a cell that fails. */
  readonly allowErrors?: boolean;
  /** The time that a cell may take, in milliseconds. */
  readonly cellTimeout?: number;
  /** How to start the kernel; its folder is the notebook's unless given. */
  readonly kernel?: KernelOptions;
  readonly signal?: AbortSignal;
  readonly onCell?: (cell: CellProgress) => void;
  /** Told of what a reader may want to know and that stops nothing. */
  readonly onWarning?: (sentence: string) => void;
}

export interface RunOptions extends CellOptions {
  /** Where the notebook with its outputs goes; over the input unless given. */
  readonly output?: string;
  readonly parameters?: Parameters;
}

export interface CellProgress {
  /** From 1, among the cells that run. */
  readonly index: number;
  readonly total: number;
  readonly cell: CodeCell;
  /** Undefined when the cell begins. */
  readonly seconds?: number;
}

export interface CellsResult {
  readonly seconds: number;
  /** The cell at which the run stopped, and why. */
  readonly failed?: { cell: CodeCell; index: number; reason: string };
  readonly interrupted: boolean;
}

export interface RunResult extends CellsResult {
  readonly notebook: Notebook;
  readonly output: string;
}

/** How often a cell is asked to stop, since a kernel may hear it before the cell begins, in milliseconds. */
const ASK_EVERY = 500;
/** How long a cell may take to stop before its kernel is given up, in milliseconds. */
const PATIENCE = 10_000;

/** Whether a run clears a cell, and runs it if there is anything in it. */
export const isCleared = (cell: Notebook["cells"][number]): cell is CodeCell =>
  cell.cell_type === "code" && !hasTag(cell, "skip-execution");

/** Says in the notebook what ran it, and warns if it was written for something else. */
function describeKernel(notebook: Notebook, kernel: KernelProcess, options: CellOptions): void {
  const info = kernel.info.language_info as { name: string };
  const { kernelspec, language_info } = notebook.metadata as Record<
    string,
    Record<string, string> | undefined
  >;
  const written = kernelspec?.language ?? language_info?.name;
  if (written !== undefined && written !== info.name)
    options.onWarning?.(`the notebook is written in ${written}, but its cells run as ${info.name}`);
  notebook.metadata.language_info = info;
  if (!options.kernel?.argv)
    notebook.metadata.kernelspec ??= { name: KERNEL_NAME, display_name: DISPLAY_NAME, language: info.name };
}

/**
 * Runs a notebook's cells in order and writes it, with their outputs, after each (a large one less often). Cells tagged `skip-execution` stay as
 * they are; of the others, those that the run does not come to have no outputs. Rejects if the notebook cannot be read
 * or written, or the kernel does not start; what goes wrong in a cell is in the result.
 */
export async function runNotebook(path: string, options: RunOptions = {}): Promise<RunResult> {
  const { parameters = {}, onWarning } = options;
  const output = resolve(options.output ?? path);
  let notebook = await readNotebook(path);
  if (Object.keys(parameters).length > 0) {
    const injected = injectParameters(notebook, parameters);
    notebook = injected.notebook;
    for (const name of injected.unknown)
      onWarning?.(`${name} is not declared in a cell tagged "parameters", so it may have no effect`);
  }
  const kernel = { cwd: dirname(resolve(path)), ...options.kernel };
  const result = await runCells(notebook, { ...options, kernel }, () => writeNotebook(output, notebook));
  return { ...result, notebook, output };
}

/** Runs a notebook's cells in order, in place; `write` is called before the first, after each or a few, and at the end. */
export async function runCells(
  notebook: Notebook,
  options: CellOptions,
  write: () => Promise<void> = async () => {},
): Promise<CellsResult> {
  const { signal } = options;
  const started = performance.now();
  const kernel = await startKernel(options.kernel);
  const { begin } = outputCollector();
  const widgets = collectWidgets();
  const saves = spacedSaves(() => {
    // The widgets as they are now.
    widgets.save(notebook);
    return write();
  });
  kernel.client.onPublished(widgets.hear);
  let failed: CellsResult["failed"];

  try {
    describeKernel(notebook, kernel, options);
    // Outputs of an earlier run must not stand among those of this one.
    for (const cell of notebook.cells.filter(isCleared)) begin(cell);
    await saves.now();
    const cells = notebook.cells.filter(isCleared).filter(({ source }) => source.trim() !== "");
    for (const [i, cell] of cells.entries()) {
      if (signal?.aborted) break;
      const place = { index: i + 1, total: cells.length, cell };
      options.onCell?.(place);
      const cellStarted = performance.now();
      const failure = await runCell(kernel, cell, begin(cell), options);
      options.onCell?.({ ...place, seconds: (performance.now() - cellStarted) / 1000 });
      await saves.soon();
      const allowed = options.allowErrors || hasTag(cell, "raises-exception");
      if (failure && (failure.final || !allowed)) {
        failed = { cell, index: i + 1, reason: failure.reason };
        break;
      }
    }
  } finally {
    await kernel.stop();
  }
  await saves.now();
  const seconds = (performance.now() - started) / 1000;
  return { seconds, failed, interrupted: signal?.aborted === true };
}

/** Runs one cell; if it failed, why, and whether no other can follow. */
async function runCell(
  { client }: KernelProcess,
  cell: CodeCell,
  collect: (message: Message) => void,
  { cellTimeout, signal }: CellOptions,
): Promise<{ reason: string; final?: boolean } | undefined> {
  const times: Record<string, string> = {};
  let late = false;
  let asking: NodeJS.Timeout | undefined;
  const stop = (): void => {
    if (asking) return;
    const since = performance.now();
    const ask = (): void => {
      // A cell that cannot be stopped must not hold up the run.
      if (performance.now() - since >= PATIENCE)
        client.fail(new Error("the cell did not stop when it was interrupted"));
      else client.interrupt().catch(() => {});
    };
    ask();
    asking = setInterval(ask, ASK_EVERY);
  };
  signal?.addEventListener("abort", stop, { once: true });
  const limit =
    cellTimeout === undefined
      ? undefined
      : setTimeout(() => {
          late = true;
          stop();
        }, cellTimeout);
  try {
    const { reply } = await client.execute(cell.source, {
      metadata: { cellId: cell.id },
      onOutput(message) {
        const { msg_type, date } = message.header;
        if (msg_type === "status") times[`iopub.status.${message.content.execution_state}`] ??= date;
        if (msg_type === "execute_input") times["iopub.execute_input"] = date;
        collect(message);
      },
    });
    times["shell.execute_reply"] = reply.header.date;
    if (late) return { reason: `took longer than ${cellTimeout! / 1000} s and was interrupted` };
    if (reply.content.status === "ok") return undefined;
    return { reason: `${reply.content.ename}: ${reply.content.evalue}` };
  } catch (error) {
    // The kernel has ended: the notebook keeps what came until then.
    const reason = `${late ? `took longer than ${cellTimeout! / 1000} s: ` : ""}${(error as Error).message}`;
    cell.outputs.push({ output_type: "error", ename: "KernelError", evalue: reason, traceback: [reason] });
    return { reason, final: true };
  } finally {
    clearTimeout(limit);
    clearInterval(asking);
    signal?.removeEventListener("abort", stop);
    cell.metadata.execution = times;
  }
}
