/** A front end's side of the protocol: requests and replies, a cell's outputs, interrupts. */
import { Dealer, Request, Subscriber } from "zeromq";
import { address, type Connection, clientEncryption } from "../protocol/connection.ts";
import { decode, encode, header, type Json, type Message } from "../protocol/message.ts";

export interface ExecuteOptions {
  readonly silent?: boolean;
  readonly storeHistory?: boolean;
  readonly stopOnError?: boolean;
  readonly userExpressions?: Record<string, string>;
  /** Called with each message that the cell publishes, in order; also with those that come after it was idle. */
  readonly onOutput?: (message: Message) => void;
  /** Answers `input()`; without it the kernel is told that nobody can. */
  readonly onInput?: (prompt: string, password: boolean) => Promise<string>;
  readonly metadata?: Json;
}

export interface Executed {
  readonly reply: Message;
  /** What the cell published until it was idle. */
  readonly outputs: readonly Message[];
}

export interface Client {
  /** Resolves when the kernel can ask for input: what it sends to a socket that is not yet connected is lost. */
  readonly connected: Promise<void>;
  /** Sends a request and waits for its reply. Rejects when the kernel ends first. */
  request(channel: "shell" | "control", msg_type: string, content?: Json, metadata?: Json): Promise<Message>;
  /** Runs code; resolves when the reply and the last output have come. */
  execute(code: string, options?: ExecuteOptions): Promise<Executed>;
  interrupt(): Promise<void>;
  /** Whether the kernel echoes a heartbeat within a time, in milliseconds. */
  heartbeat(timeout: number): Promise<boolean>;
  /** Calls `listener` with all that is published, also late outputs; returns how to stop. */
  onPublished(listener: (message: Message) => void): () => void;
  /** Rejects what is pending. */
  fail(reason: Error): void;
  close(): void;
}

export function connect(connection: Connection, session: string): Client {
  const { key } = connection;
  const encryption = clientEncryption(connection);
  const limitless = { ...encryption, linger: 0, sendHighWaterMark: 0, receiveHighWaterMark: 0 };
  const shell = new Dealer({ ...limitless, routingId: session });
  const control = new Dealer({ ...limitless, routingId: session });
  const stdin = new Dealer({ ...limitless, routingId: session });
  const iopub = new Subscriber({ ...encryption, linger: 0, receiveHighWaterMark: 0 });
  const sockets = { shell, control, stdin, iopub };
  const replies = new Map<string, { resolve(message: Message): void; reject(reason: Error): void }>();
  const listeners = new Set<(message: Message) => void>();
  /** What hears the outputs of a request, by its id. */
  const cells = new Map<string, (message: Message) => void>();
  const failures = new Set<(reason: Error) => void>();
  let answer: ExecuteOptions["onInput"];
  let failed: Error | undefined;

  const connected = new Promise<void>((resolve, reject) => {
    stdin.events.on("handshake", () => resolve());
    failures.add(reject);
  });
  connected.catch(() => {});
  iopub.subscribe();
  for (const channel of ["shell", "control", "stdin", "iopub"] as const)
    sockets[channel].connect(address(connection, channel));

  async function listen(
    socket: AsyncIterable<Uint8Array[]>,
    handle: (message: Message) => void,
  ): Promise<void> {
    try {
      for await (const frames of socket) handle(decode(frames, key));
    } catch (error) {
      if (!failed) fail(error as Error);
    }
  }
  const settle = (message: Message) => {
    const id = message.parentHeader.msg_id ?? "";
    replies.get(id)?.resolve(message);
    replies.delete(id);
  };
  void listen(shell, settle);
  void listen(control, settle);
  void listen(iopub, (message) => {
    cells.get(message.parentHeader.msg_id ?? "")?.(message);
    for (const listener of listeners) listener(message);
  });
  void listen(stdin, async (message) => {
    const { prompt, password } = message.content as { prompt: string; password: boolean };
    const value = (await answer?.(prompt, password)) ?? "";
    await send("stdin", compose("input_reply", { value }, {}));
  });

  function fail(reason: Error): void {
    failed ??= reason;
    for (const { reject } of replies.values()) reject(reason);
    replies.clear();
    for (const reject of failures) reject(reason);
  }

  function compose(type: string, content: Json, metadata: Json): Message {
    const head = header(type, session, "client");
    return { identities: [], header: head, parentHeader: {}, metadata, content, buffers: [] };
  }
  const send = (channel: "shell" | "control" | "stdin", message: Message) =>
    sockets[channel].send(encode(message, key) as Buffer[]);

  async function ask(channel: "shell" | "control", message: Message): Promise<Message> {
    if (failed) throw failed;
    const reply = new Promise<Message>((resolve, reject) =>
      replies.set(message.header.msg_id, { resolve, reject }),
    );
    // It may fail while the request still waits to be sent.
    reply.catch(() => {});
    await send(channel, message);
    return reply;
  }
  const request = (channel: "shell" | "control", type: string, content: Json = {}, metadata: Json = {}) =>
    ask(channel, compose(type, content, metadata));

  return {
    connected,
    request,
    async execute(code, options = {}) {
      const { onOutput, onInput, metadata } = options;
      answer = onInput;
      const request = compose(
        "execute_request",
        {
          code,
          silent: options.silent ?? false,
          store_history: options.storeHistory ?? true,
          user_expressions: options.userExpressions ?? {},
          allow_stdin: onInput !== undefined,
          stop_on_error: options.stopOnError ?? true,
        },
        metadata ?? {},
      );
      const id = request.header.msg_id;
      const outputs: Message[] = [];
      let failure: (reason: Error) => void = () => {};
      const idle = new Promise<void>((resolve, reject) => {
        failure = reject;
        failures.add(reject);
        cells.set(id, (message) => {
          outputs.push(message);
          onOutput?.(message);
          if (message.header.msg_type === "status" && message.content.execution_state === "idle") resolve();
        });
      });
      idle.catch(() => {});
      try {
        const reply = await ask("shell", request);
        await idle;
        return { reply, outputs };
      } finally {
        failures.delete(failure);
        // A cell's timers go on after it, and what they print is its output.
        if (onOutput) cells.set(id, onOutput);
        else cells.delete(id);
      }
    },
    async interrupt() {
      await request("control", "interrupt_request");
    },
    async heartbeat(timeout) {
      const socket = new Request({ ...encryption, linger: 0, sendTimeout: timeout, receiveTimeout: timeout });
      try {
        socket.connect(address(connection, "hb"));
        await socket.send("beat");
        await socket.receive();
        return true;
      } catch {
        return false;
      } finally {
        socket.close();
      }
    },
    onPublished(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    fail,
    close() {
      failed ??= new Error("the connection to the kernel was closed");
      for (const socket of Object.values(sockets)) socket.close();
    },
  };
}
