/** Answers the requests to run a cell: counts them, tells what they begin and how they end, and stops on an error. */
import type { Failure } from "../engine/errors.ts";
import type { History } from "../history/history.ts";
import type { Json, Message } from "../protocol/message.ts";
import { type Cell, createCell } from "../runtime/cell.ts";
import { beginRun, endRun, stop } from "../runtime/interrupt.ts";
import { settleSignals } from "../runtime/signals.ts";
import { type CellRunner, runCell } from "./cell-run.ts";
import { isCell } from "./queue.ts";

interface ExecuteRequest {
  readonly code: string;
  readonly silent?: boolean;
  readonly store_history?: boolean;
  readonly user_expressions?: Record<string, string>;
  readonly allow_stdin?: boolean;
  readonly stop_on_error?: boolean;
}

export interface ExecutorOptions extends CellRunner {
  readonly history: History;
  /** The requests that wait; the cells among them do not run once one before them has failed. */
  readonly waiting: Message[];
  /** Resolves when everything that had arrived by now is among them. */
  readonly arrived: () => Promise<void>;
  /** Called before a cell runs whose earlier output goes. */
  readonly onBegin: (cell: Cell) => void;
  /** Called when a cell's code has ended. */
  readonly onEnd: () => void;
}

export interface Executor {
  execute(request: Message): Promise<void>;
  /** The number of the latest cell. */
  count(): number;
}

function refusal(code: unknown): Json {
  const evalue = `execute_request: code must be text, got ${typeof code}`;
  return { status: "error", ename: "TypeError", evalue, traceback: [evalue] };
}

export function createExecutor(options: ExecutorOptions): Executor {
  const { history, outbox, waiting, arrived, onBegin, onEnd, flush } = options;
  let count = 0;

  /** Numbers a cell, notes it in the history and tells the front ends what runs. */
  function begin(request: Message, { code, silent = false, store_history }: ExecuteRequest): Cell {
    const store = !silent && (store_history ?? true) === true;
    if (store || (!silent && count === 0)) count++;
    const cell = createCell(request, count);
    onBegin(cell);
    if (store) history.add(count, code);
    if (!silent) outbox.publish(request, "execute_input", { code, execution_count: count });
    return cell;
  }

  async function fail(request: Message, failure: Failure, common: Json, stopOnError: boolean): Promise<void> {
    // Cells that were sent before their sender could know of the error do not run; one sent on its reply does.
    if (stopOnError) await arrived();
    const aborted = stopOnError ? waiting.filter(isCell) : [];
    const { ename, evalue, traceback } = failure;
    outbox.publish(request, "error", { ename, evalue, traceback });
    outbox.reply(request, { status: "error", ename, evalue, traceback, ...common });
    for (const cell of aborted) abort(cell);
  }

  function abort(request: Message): void {
    waiting.splice(waiting.indexOf(request), 1);
    outbox.status(request, "busy");
    // It has no number: front ends would show another cell's beside it.
    outbox.reply(request, { status: "aborted" });
    outbox.status(request, "idle");
  }

  async function execute(request: Message): Promise<void> {
    const wanted = request.content as unknown as ExecuteRequest;
    const { code, silent = false, user_expressions = {}, stop_on_error = true } = wanted;
    if (typeof code !== "string") return outbox.reply(request, { ...refusal(code), execution_count: count });
    await settleSignals();
    const cell = begin(request, wanted);
    beginRun(cell);
    const { failure, expressions } = await runCell(options, cell, code, {
      silent,
      expressions: user_expressions,
    });
    endRun();
    if (failure?.ename === "KeyboardInterrupt") stop(cell);
    onEnd();
    flush();
    const common = { execution_count: count, payload: cell.payload };
    if (failure) return fail(request, failure, common, stop_on_error);
    outbox.reply(request, { status: "ok", ...common, user_expressions: expressions });
  }

  return { execute, count: () => count };
}
