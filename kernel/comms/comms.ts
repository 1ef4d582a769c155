/** Comms: messages between code in the kernel and code in a front end, by the name of a target. */
import { randomUUID } from "node:crypto";
import { toJson } from "../display/json.ts";
import type { Json, Message } from "../protocol/message.ts";

export interface CommMessage {
  readonly data: Json;
  readonly metadata: Json;
  readonly buffers: readonly Uint8Array[];
}

export interface CommOptions {
  readonly metadata?: Json;
  readonly buffers?: readonly Uint8Array[];
}

export interface Comm {
  readonly id: string;
  readonly target: string;
  readonly closed: boolean;
  send(data: Json, options?: CommOptions): void;
  /** Closes it, with a last word for the other side. */
  close(data?: Json, options?: CommOptions): void;
  /** Calls `handler` with each message of the other side, or with its last; returns how to stop. */
  on(event: "message" | "close", handler: (message: CommMessage) => unknown): () => void;
}

export interface Comms {
  /** Opens a comm to a front end's target. */
  open(target: string, data?: Json, options?: CommOptions): Comm;
  /** Takes the comms that front ends open to a target; returns how to stop. */
  register(target: string, handler: (comm: Comm, message: CommMessage) => unknown): () => void;
}

/** The kernel's side of all comms. */
export interface CommManager extends Comms {
  /** The open comms, of one target if it is named. */
  info(target?: string): Record<string, { target_name: string }>;
  /** Whether that which a message is for, a comm or a target, is there. */
  knows(message: Message): boolean;
  /** Hands a front end's message to its handlers; resolves when they are done, and never rejects. */
  receive(message: Message): Promise<void>;
}

export type SendComm = (
  type: "comm_open" | "comm_msg" | "comm_close",
  content: Json,
  options: CommOptions,
) => void;

type Handler = (message: CommMessage) => unknown;

interface OpenComm extends Comm {
  dispatch(event: "message" | "close", message: CommMessage): Promise<void>;
  end(): void;
}

/** Data as plain JSON: what cannot be sent fails here, where its sender sees it. */
const plain = (data: Json): Json => JSON.parse(toJson(data));
/** Bytes alone, rather than the whole memory that they are a part of. */
const plainOptions = ({ metadata = {}, buffers = [] }: CommOptions): CommOptions => ({
  metadata: plain(metadata),
  buffers: buffers.map((bytes) => new Uint8Array(bytes)),
});

const received = ({ content, metadata, buffers }: Message): CommMessage => ({
  data: (typeof content.data === "object" && content.data !== null ? content.data : {}) as Json,
  metadata,
  buffers,
});

/**
 * @param send publishes a message of a comm
 * @param report tells of an error of a handler
 */
export function createComms(send: SendComm, report: (error: unknown) => void): CommManager {
  const targets = new Map<string, (comm: Comm, message: CommMessage) => unknown>();
  const open = new Map<string, OpenComm>();

  /** Runs a handler to its end, whatever it does. */
  async function guarded(run: () => unknown): Promise<boolean> {
    try {
      await run();
      return true;
    } catch (error) {
      report(error);
      return false;
    }
  }

  function createComm(id: string, target: string): OpenComm {
    const handlers = { message: new Set<Handler>(), close: new Set<Handler>() };
    let closed = false;
    const comm: OpenComm = {
      id,
      target,
      get closed() {
        return closed;
      },
      send(data, options = {}) {
        if (closed) throw new Error(`the comm ${id} to ${target} is closed`);
        send("comm_msg", { comm_id: id, data: plain(data) }, plainOptions(options));
      },
      close(data = {}, options = {}) {
        if (closed) return;
        comm.end();
        send("comm_close", { comm_id: id, data: plain(data) }, plainOptions(options));
      },
      on(event, handler) {
        handlers[event].add(handler);
        return () => handlers[event].delete(handler);
      },
      async dispatch(event, message) {
        await Promise.all([...handlers[event]].map((handler) => guarded(() => handler(message))));
      },
      end() {
        closed = true;
        open.delete(id);
      },
    };
    open.set(id, comm);
    return comm;
  }

  async function opened(message: Message): Promise<void> {
    const { comm_id, target_name } = message.content;
    if (typeof comm_id !== "string" || typeof target_name !== "string")
      return report(new TypeError("comm_open: comm_id and target_name must be texts"));
    const handler = targets.get(target_name);
    if (!handler || open.has(comm_id)) {
      // The protocol's answer to a target that is not there.
      if (!handler) send("comm_close", { comm_id, data: {} }, {});
      return;
    }
    const comm = createComm(comm_id, target_name);
    if (!(await guarded(() => handler(comm, received(message))))) comm.close();
  }

  return {
    open(target, data = {}, options = {}) {
      const [content, extras] = [plain(data), plainOptions(options)];
      const comm = createComm(randomUUID(), target);
      send("comm_open", { comm_id: comm.id, target_name: target, data: content }, extras);
      return comm;
    },
    register(target, handler) {
      targets.set(target, handler);
      return () => {
        if (targets.get(target) === handler) targets.delete(target);
      };
    },
    info: (target) =>
      Object.fromEntries(
        [...open.values()]
          .filter((comm) => target === undefined || comm.target === target)
          .map((comm) => [comm.id, { target_name: comm.target }]),
      ),
    knows({ header, content }) {
      if (header.msg_type === "comm_open") return targets.has(content.target_name as string);
      return open.has(content.comm_id as string);
    },
    async receive(message) {
      const { msg_type } = message.header;
      if (msg_type === "comm_open") return opened(message);
      const comm = open.get(message.content.comm_id as string);
      if (!comm) return;
      if (msg_type === "comm_close") comm.end();
      await comm.dispatch(msg_type === "comm_close" ? "close" : "message", received(message));
    },
  };
}
