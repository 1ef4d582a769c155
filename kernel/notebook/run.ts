/** Runs a notebook through a kernel, as a front end's "run all" would, without one. */
import { dirname, resolve } from "node:path";
import { type KernelOptions, type KernelProcess, startKernel } from "../client/process.ts";
import { type CodeCell, type Notebook, readNotebook, writeNotebook } from "./format.ts";
import { outputCollector } from "./outputs.ts";
import { injectParameters, type Parameters } from "./parameters.ts";

export interface RunOptions {
  /** Where the notebook with its outputs goes; over the input unless given. */
  readonly output?: string;
  readonly parameters?: Parameters;
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

export interface CellProgress {
  /** From 1, among the cells that run. */
  readonly index: number;
  readonly total: number;
  readonly cell: CodeCell;
  /** Undefined when the cell begins. */
  readonly seconds?: number;
}

export interface RunResult {
  readonly notebook: Notebook;
  readonly output: string;
  readonly seconds: number;
  /** The cell at which the run stopped, and why. */
  readonly failed?: { cell: CodeCell; index: number; reason: string };
  readonly interrupted: boolean;
}

const hasTag = (cell: CodeCell, tag: string) =>
  (cell.metadata.tags as string[] | undefined)?.includes(tag) === true;

const isRun = (cell: Notebook["cells"][number]): cell is CodeCell =>
  cell.cell_type === "code" && cell.source.trim() !== "" && !hasTag(cell, "skip-execution");

export async function runNotebook(path: string, options: RunOptions = {}): Promise<RunResult> {
  const { parameters = {}, signal, onWarning } = options;
  const output = resolve(options.output ?? path);
  let notebook = await readNotebook(path);
  if (Object.keys(parameters).length > 0) {
    const injected = injectParameters(notebook, parameters);
    notebook = injected.notebook;
    for (const name of injected.unknown)
      onWarning?.(`${name} is not declared in a cell tagged "parameters", so it may have no effect`);
  }
  const started = performance.now();
  const kernel = await startKernel({ cwd: dirname(resolve(path)), ...options.kernel });
  notebook.metadata.language_info = kernel.info.language_info;
  const { begin } = outputCollector();
  const cells = notebook.cells.filter(isRun);
  let failed: RunResult["failed"];

  try {
    for (const [i, cell] of cells.entries()) {
      if (signal?.aborted) break;
      const place = { index: i + 1, total: cells.length, cell };
      options.onCell?.(place);
      const cellStarted = performance.now();
      const reason = await runCell(kernel, cell, begin(cell), options);
      options.onCell?.({ ...place, seconds: (performance.now() - cellStarted) / 1000 });
      // Each cell is kept as soon as it is done.
      await writeNotebook(output, notebook);
      if (reason !== undefined && !options.allowErrors && !hasTag(cell, "raises-exception")) {
        failed = { cell, index: i + 1, reason };
        break;
      }
    }
  } finally {
    await kernel.stop();
    await writeNotebook(output, notebook);
  }
  const seconds = (performance.now() - started) / 1000;
  return { notebook, output, seconds, failed, interrupted: signal?.aborted === true };
}

/** Runs one cell; the reason if it failed. */
async function runCell(
  { client }: KernelProcess,
  cell: CodeCell,
  collect: ReturnType<ReturnType<typeof outputCollector>["begin"]>,
  { cellTimeout, signal }: RunOptions,
): Promise<string | undefined> {
  const times: Record<string, string> = {};
  let late = false;
  const interrupt = () => void client.interrupt().catch(() => {});
  signal?.addEventListener("abort", interrupt, { once: true });
  const timer =
    cellTimeout === undefined
      ? undefined
      : setTimeout(() => {
          late = true;
          interrupt();
          // A cell that cannot be stopped must not hold up the run.
          setTimeout(
            () => client.fail(new Error("the cell did not stop when it was interrupted")),
            10_000,
          ).unref();
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
    if (reply.content.status === "ok") return undefined;
    if (late) return `took longer than ${cellTimeout! / 1000} s and was interrupted`;
    return `${reply.content.ename}: ${reply.content.evalue}`;
  } catch (error) {
    // The kernel has ended: the notebook keeps what came until then.
    const { message } = error as Error;
    cell.outputs.push({ output_type: "error", ename: "KernelError", evalue: message, traceback: [message] });
    return message;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", interrupt);
    cell.metadata.execution = times;
  }
}
