/** The kernel: answers requests, runs cells one after another, publishes what they show. */

import { answers } from "./answers.ts";
import type { MimeBundle, Sink } from "./display/sink.ts";
import type { Engine } from "./engine/engine.ts";
import { describeError } from "./engine/errors.ts";
import type { History } from "./history/history.ts";
import type { Sockets } from "./protocol/channel.ts";
import type { Channel } from "./protocol/connection.ts";
import type { Json, Message } from "./protocol/message.ts";
import { createCellSink } from "./requests/cell-sink.ts";
import { type CommRequests, createCommRequests } from "./requests/comms.ts";
import { createExecutor, type Executor } from "./requests/execute.ts";
import { createInput } from "./requests/input.ts";
import { createOutbox, type Outbox } from "./requests/outbox.ts";
import { createQueue, isCell } from "./requests/queue.ts";
import { type Cell, runningCell } from "./runtime/cell.ts";
import type { Streams } from "./runtime/streams.ts";
import { flushModels } from "./widgets/registry.ts";
import { registerWidgets } from "./widgets/targets.ts";

export interface KernelOptions {
  readonly engine: Engine;
  readonly history: History;
  readonly sockets: Sockets;
  readonly session: string;
  readonly kernelInfo: Json;
  /** What a value looks like. */
  readonly render: (value: unknown) => MimeBundle | Promise<MimeBundle>;
  /** Says how long a cell took that asked for its time. */
  readonly stopClock: () => void;
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
  /** Publishes what comes into a file as a stream's text; returns how to end. */
  followStream(cell: Cell, name: string, file: string): () => void;
  /** Asks the front end for a line of text. */
  input(prompt: string, password: boolean): Promise<string>;
  /** The same, and nothing else happens until it has answered. */
  prompt(prompt: string): string;
}

type Handlers = Record<string, (request: Message) => void | Promise<void>>;

const shutdownReply = ({ content }: Message): Json => ({ status: "ok", restart: content.restart === true });

/** What is done on a request, by its type; other requests are questions, which `answers` has replies to. */
function handlersOf(
  outbox: Outbox,
  executor: Executor,
  { handle }: CommRequests,
  exit: () => void,
): Handlers {
  return {
    execute_request: executor.execute,
    comm_open: handle,
    comm_msg: handle,
    comm_close: handle,
    shutdown_request(request) {
      outbox.reply(request, shutdownReply(request));
      exit();
    },
  };
}

/** Answers one request, between a busy and an idle. */
async function answerRequest(
  request: Message,
  handlers: Handlers,
  questions: ReturnType<typeof answers>,
  { outbox, executor, flush }: { outbox: Outbox; executor: Executor; flush: () => void },
): Promise<void> {
  const { msg_type } = request.header;
  outbox.status(request, "busy");
  try {
    if (Object.hasOwn(handlers, msg_type)) await handlers[msg_type](request);
    else if (Object.hasOwn(questions, msg_type)) outbox.reply(request, questions[msg_type](request.content));
    else if (msg_type.endsWith("_request"))
      throw new Error(`this kernel does not know the request ${msg_type}`);
  } catch (error) {
    outbox.reply(request, { status: "error", execution_count: executor.count(), ...describeError(error) });
  }
  flush();
  outbox.status(request, "idle");
}

export function createKernel(options: KernelOptions): Kernel {
  const { engine, history, sockets, session, kernelInfo, render, stopClock, onExecuted, exit } = options;
  let streams: Streams | undefined;
  const flush = (): void => {
    streams?.flush();
    flushModels();
  };
  const waiting: Message[] = [];
  const outbox = createOutbox(sockets, session);
  const input = createInput(outbox, sockets.waitForAnswer, flush);
  const commRequests = createCommRequests(outbox);
  registerWidgets(commRequests.comms);
  const { sink, outputGone } = createCellSink(outbox, flush, commRequests.comms);
  const executor = createExecutor({
    engine,
    history,
    outbox,
    render,
    flush,
    stopClock,
    waiting,
    arrived: sockets.arrived,
    onBegin: outputGone,
    onEnd: input.forget,
  });
  const handlers = handlersOf(outbox, executor, commRequests, exit);
  const questions = answers({ engine, history, kernelInfo, comms: commRequests.comms });
  const answer = (request: Message): Promise<void> =>
    answerRequest(request, handlers, questions, { outbox, executor, flush });
  /** Answers what need not wait for the running cell; front ends show the newest status, so that is told again. */
  async function overtake(request: Message): Promise<void> {
    await answer(request);
    const cell = runningCell();
    if (cell) outbox.status(cell.request, "busy");
  }
  const queue = createQueue(waiting, async (request) => {
    await answer(request);
    // In a turn of its own, after the answer has gone out.
    if (isCell(request)) setImmediate(onExecuted);
  });

  return {
    sink,
    busy: queue.busy,
    streams(value) {
      streams = value;
    },
    onMessage(channel, message) {
      if (channel === "stdin") input.answer(message);
      else if (channel === "control" && message.header.msg_type === "shutdown_request") {
        outbox.post("control", message, "shutdown_reply", shutdownReply(message));
        exit();
      } else if (commRequests.overtakes(message, waiting)) void overtake(message);
      else queue.push(message);
    },
    publishStream: (cell, name, text) => outbox.publish(cell.request, "stream", { name, text }),
    followStream: (cell, name, file) => outbox.follow(cell.request, name, file),
    input: input.ask,
    prompt: input.askNow,
  };
}
