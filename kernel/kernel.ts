/** The kernel: answers requests, runs cells one after another, publishes what they show. */

import { answers } from "./answers.ts";
import type { MimeBundle, Sink } from "./display/sink.ts";
import type { Engine } from "./engine/engine.ts";
import { describeError, type Failure } from "./engine/errors.ts";
import type { HistoryEntry } from "./history.ts";
import type { Sockets } from "./protocol/channel.ts";
import type { Channel } from "./protocol/connection.ts";
import { header, type Json, type Message } from "./protocol/message.ts";
import { type Cell, createCell, currentCell, inCell } from "./runtime/cell.ts";
import { beginRun, endRun, orInterrupted, stop } from "./runtime/interrupt.ts";
import type { Streams } from "./runtime/streams.ts";

export interface KernelOptions {
  readonly engine: Engine;
  readonly sockets: Sockets;
  readonly session: string;
  readonly kernelInfo: Json;
  /** What a value looks like. */
  readonly render: (value: unknown) => MimeBundle | Promise<MimeBundle>;
  /** Called after each cell. */
  readonly onExecuted: () => void;
  /** Ends the process. */
  readonly exit: () => void;
}

export interface Kernel {
  onMessage(channel: Channel, message: Message): void;
  readonly sink: Sink;
  /** Whether a request is being answered. */
  busy(): boolean;
  readonly streams: (streams: Streams) => void;
  publishStream(cell: Cell, name: string, text: string): void;
  /** Asks the front end for a line of text. */
  input(prompt: string, password: boolean): Promise<string>;
}

interface ExecuteRequest {
  readonly code: string;
  readonly silent?: boolean;
  readonly store_history?: boolean;
  readonly user_expressions?: Record<string, string>;
  readonly allow_stdin?: boolean;
  readonly stop_on_error?: boolean;
}

/** `name?`, IPython's way to ask about a name. */
const QUESTION = /^\s*([\w$.]+)\s*\?\s*$/;

/** About how many characters `content` holds. */
function sizeOf(content: unknown): number {
  if (typeof content === "string") return content.length;
  if (content === null || typeof content !== "object") return 8;
  let size = 0;
  for (const value of Object.values(content)) size += sizeOf(value);
  return size;
}

export function createKernel(options: KernelOptions): Kernel {
  const { engine, sockets, session, kernelInfo, render, onExecuted, exit } = options;
  const history: HistoryEntry[] = [];
  const questions = answers({ engine, history, kernelInfo });
  const queue: Message[] = [];
  let working = false;
  let count = 0;
  let streams: Streams | undefined;
  let inputReply: ((value: string) => void) | undefined;
  /** Which cell carries what is shipped once a notebook. */
  const shipped = new Map<string, string>();

  function post(channel: Channel, request: Message, msg_type: string, content: Json): void {
    const identities = channel === "iopub" ? [Buffer.from(msg_type)] : request.identities;
    const message = { identities, header: header(msg_type, session), parentHeader: request.header };
    sockets.send(
      channel,
      { ...message, metadata: {}, content, buffers: [] },
      channel === "iopub" ? sizeOf(content) : 0,
    );
  }

  const publish = (request: Message, msg_type: string, content: Json) =>
    post("iopub", request, msg_type, content);
  const status = (request: Message, execution_state: string) =>
    publish(request, "status", { execution_state });

  function reply(request: Message, content: Json): void {
    post("shell", request, request.header.msg_type.replace(/_request$/, "_reply"), content);
  }

  /** What tells one cell from another, also after it was edited where the front end says so. */
  function cellKey(cell: Cell): string {
    const { metadata, content } = cell.request;
    return typeof metadata.cellId === "string" ? metadata.cellId : String(content.code);
  }

  const sink: Sink = {
    notebook: true,
    show(data, { metadata = {}, id, update }) {
      const cell = currentCell();
      if (!cell) return;
      streams?.flush();
      const transient = id === undefined ? {} : { display_id: id };
      const type = update ? "update_display_data" : "display_data";
      publish(cell.request, type, { data, metadata, transient });
    },
    clear(wait) {
      const cell = currentCell();
      if (!cell) return;
      streams?.flush();
      for (const [key, carrier] of shipped) if (carrier === cellKey(cell)) shipped.delete(key);
      publish(cell.request, "clear_output", { wait });
    },
    wait(output) {
      const unfinished = currentCell()?.unfinished;
      unfinished?.add(output);
      void output.finally(() => unfinished?.delete(output));
    },
    once(key) {
      const cell = currentCell();
      if (!cell || shipped.has(key)) return false;
      shipped.set(key, cellKey(cell));
      return true;
    },
  };

  /** Evaluates what a front end wants to know beside a cell. */
  async function userExpressions(expressions: Record<string, string>): Promise<Json> {
    const results: Json = {};
    for (const [name, expression] of Object.entries(expressions)) {
      try {
        const value = await engine.evaluate(expression);
        results[name] = { status: "ok", data: await render(value), metadata: {} };
      } catch (error) {
        results[name] = { status: "error", ...describeError(error) };
      }
    }
    return results;
  }

  function answerQuestion(cell: Cell, name: string): Failure | undefined {
    const found = engine.inspect(name, name.length, 1);
    if (!found)
      return {
        ename: "NameError",
        evalue: `nothing is known of ${name}`,
        traceback: [`nothing is known of ${name}`],
      };
    const text = [found.signature, found.documentation].filter((part) => part !== "").join("\n\n");
    cell.payload.push({ source: "page", data: { "text/plain": text }, start: 0 });
    return undefined;
  }

  async function runCode(cell: Cell, code: string, silent: boolean): Promise<Failure | undefined> {
    if (code.trim() === "") return undefined;
    const question = QUESTION.exec(code);
    if (question) return answerQuestion(cell, question[1]);
    const outcome = await engine.run(code, `cell[${cell.count}]`);
    if (outcome.status === "error") return outcome;
    if (silent || outcome.value === undefined || outcome.value === null) return undefined;
    try {
      const data = await render(outcome.value);
      // What `display(...)` returns, for example, has been shown already.
      if (Object.keys(data).length === 0) return undefined;
      streams?.flush();
      publish(cell.request, "execute_result", { execution_count: cell.count, data, metadata: {} });
      const entry = history.at(-1);
      if (entry?.line === cell.count) entry.output = String(data["text/plain"] ?? "");
    } catch (error) {
      return describeError(error);
    }
    return undefined;
  }

  /** Waits for outputs that take time to make (images of sharp); they say themselves when they fail. */
  async function finishOutputs(cell: Cell): Promise<Failure | undefined> {
    try {
      await orInterrupted(Promise.allSettled(cell.unfinished), cell);
      return undefined;
    } catch (error) {
      return describeError(error);
    }
  }

  async function execute(request: Message): Promise<void> {
    const {
      code,
      silent = false,
      user_expressions = {},
      stop_on_error = true,
    } = request.content as unknown as ExecuteRequest;
    if (typeof code !== "string") {
      const evalue = `execute_request: code must be text, got ${typeof code}`;
      reply(request, {
        status: "error",
        execution_count: count,
        ename: "TypeError",
        evalue,
        traceback: [evalue],
      });
      return;
    }
    const store = !silent && (request.content.store_history ?? true) === true;
    if (store || (!silent && count === 0)) count++;
    const cell = createCell(request, count);
    for (const [key, carrier] of shipped) if (carrier === cellKey(cell)) shipped.delete(key);
    if (store) history.push({ line: count, input: code });
    if (!silent) publish(request, "execute_input", { code, execution_count: count });

    beginRun(cell);
    const { failure, expressions } = await inCell(cell, async () => {
      const failure = (await runCode(cell, code, silent)) ?? (await finishOutputs(cell));
      return { failure, expressions: failure ? {} : await userExpressions(user_expressions) };
    });
    endRun();
    if (failure?.ename === "KeyboardInterrupt") stop(cell);
    inputReply = undefined;
    streams?.flush();
    const common = { execution_count: count, payload: cell.payload };
    if (!failure) {
      reply(request, { status: "ok", ...common, user_expressions: expressions });
      return;
    }
    // Cells that were sent before their sender could know of the error do not run; one sent on its reply does.
    if (stop_on_error) await sockets.arrived();
    const aborted = stop_on_error ? queue.filter(({ header }) => header.msg_type === "execute_request") : [];
    const { ename, evalue, traceback } = failure;
    publish(request, "error", { ename, evalue, traceback });
    reply(request, { status: "error", ename, evalue, traceback, ...common });
    abort(aborted);
  }

  function abort(requests: readonly Message[]): void {
    for (const request of requests) {
      queue.splice(queue.indexOf(request), 1);
      status(request, "busy");
      reply(request, { status: "aborted", execution_count: count });
      status(request, "idle");
    }
  }

  const handlers: Record<string, (request: Message) => void | Promise<void>> = {
    execute_request: execute,
    // No comm targets: a front end's widgets are told so.
    comm_open: (request) => publish(request, "comm_close", { comm_id: request.content.comm_id, data: {} }),
    comm_msg() {},
    comm_close() {},
    async shutdown_request(request) {
      reply(request, { status: "ok", restart: request.content.restart === true });
      exit();
    },
  };

  async function handle(request: Message): Promise<void> {
    const { msg_type } = request.header;
    status(request, "busy");
    try {
      if (Object.hasOwn(handlers, msg_type)) await handlers[msg_type](request);
      else if (Object.hasOwn(questions, msg_type)) reply(request, questions[msg_type](request.content));
      else if (msg_type.endsWith("_request"))
        throw new Error(`this kernel does not know the request ${msg_type}`);
    } catch (error) {
      reply(request, { status: "error", execution_count: count, ...describeError(error) });
    }
    streams?.flush();
    status(request, "idle");
  }

  async function work(): Promise<void> {
    working = true;
    for (let request = queue.shift(); request; request = queue.shift()) {
      await handle(request);
      // In a turn of its own, after the answer has gone out.
      if (request.header.msg_type === "execute_request") setImmediate(onExecuted);
    }
    working = false;
  }

  return {
    sink,
    busy: () => working,
    streams(value) {
      streams = value;
    },
    onMessage(channel, message) {
      const { msg_type } = message.header;
      if (channel === "stdin") {
        if (msg_type === "input_reply") inputReply?.(String(message.content.value ?? ""));
        inputReply = undefined;
      } else if (channel === "control" && msg_type === "shutdown_request") {
        post("control", message, "shutdown_reply", {
          status: "ok",
          restart: message.content.restart === true,
        });
        exit();
      } else {
        queue.push(message);
        if (!working) void work();
      }
    },
    publishStream: (cell, name, text) => publish(cell.request, "stream", { name, text }),
    input(prompt, password) {
      const cell = currentCell();
      if (cell?.request.content.allow_stdin !== true)
        return Promise.reject(new Error("input() needs a front end that can ask, and this one cannot"));
      streams?.flush();
      return new Promise<string>((resolve, reject) => {
        inputReply = resolve;
        cell.pending.add(reject);
        post("stdin", cell.request, "input_request", { prompt, password });
      });
    },
  };
}
