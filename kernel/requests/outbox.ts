/** Messages that the kernel sends, each to the request that it belongs to. */
import type { Sockets } from "../protocol/channel.ts";
import type { Channel } from "../protocol/connection.ts";
import { header, type Json, type Message } from "../protocol/message.ts";

/** What a message has beside its content. */
export interface Extras {
  readonly metadata?: Json;
  readonly buffers?: readonly Uint8Array[];
}

export interface Outbox {
  post(channel: Channel, request: Message, msg_type: string, content: Json): void;
  /** To every front end; without a request to what nobody asked for. */
  publish(request: Message | undefined, msg_type: string, content: Json, extras?: Extras): void;
  /** Publishes what comes into a file as a stream's text, also while this thread waits; returns how to end. */
  follow(request: Message, name: string, file: string): () => void;
  /** `busy` before a request is answered, `idle` after it. */
  status(request: Message, execution_state: "busy" | "idle"): void;
  reply(request: Message, content: Json): void;
}

/** About how many characters `content` holds. */
function sizeOf(content: unknown): number {
  if (typeof content === "string") return content.length;
  if (content === null || typeof content !== "object") return 8;
  let size = 0;
  for (const value of Object.values(content)) size += sizeOf(value);
  return size;
}

export function createOutbox(sockets: Sockets, session: string): Outbox {
  function compose(
    channel: Channel,
    request: Message | undefined,
    msg_type: string,
    content: Json,
    { metadata = {}, buffers = [] }: Extras = {},
  ): Message {
    const identities = channel === "iopub" ? [Buffer.from(msg_type)] : (request?.identities ?? []);
    const message = { identities, header: header(msg_type, session), parentHeader: request?.header ?? {} };
    return { ...message, metadata, content, buffers };
  }
  function post(channel: Channel, request: Message, msg_type: string, content: Json): void {
    sockets.send(channel, compose(channel, request, msg_type, content));
  }
  return {
    post,
    publish(request, msg_type, content, extras = {}) {
      const bytes = (extras.buffers ?? []).reduce((sum, { byteLength }) => sum + byteLength, 0);
      sockets.send("iopub", compose("iopub", request, msg_type, content, extras), sizeOf(content) + bytes);
    },
    follow: (request, name, file) =>
      sockets.follow(file, compose("iopub", request, "stream", { name, text: "" })),
    status: (request, execution_state) => post("iopub", request, "status", { execution_state }),
    reply: (request, content) =>
      post("shell", request, request.header.msg_type.replace(/_request$/, "_reply"), content),
  };
}
