/**
 * Jupyter messages and their frames on the wire (messaging protocol 5.3):
 *
 *     identities..., "<IDS|MSG>", HMAC, header, parent header, metadata, content, buffers...
 *
 * The HMAC-SHA256, in hex, covers the four JSON frames.
 */
import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import { wellFormedJson } from "../text.ts";

export const PROTOCOL_VERSION = "5.3";

const DELIMITER = Buffer.from("<IDS|MSG>");

export interface Header {
  readonly msg_id: string;
  readonly session: string;
  readonly username: string;
  /** ISO 8601. */
  readonly date: string;
  readonly msg_type: string;
  readonly version: string;
}

export type Json = Record<string, unknown>;

export interface Message<Content = Json> {
  /** ZeroMQ routing prefix; on the publishing channel, the topic. */
  readonly identities: readonly Uint8Array[];
  readonly header: Header;
  /** The header of the request that this message answers; empty if there is none. */
  readonly parentHeader: Header | Record<string, never>;
  readonly metadata: Json;
  readonly content: Content;
  readonly buffers: readonly Uint8Array[];
}

/** A new header of this session. */
export function header(msg_type: string, session: string, username = "kernel"): Header {
  const date = new Date().toISOString();
  return { msg_id: randomUUID(), session, username, date, msg_type, version: PROTOCOL_VERSION };
}

function sign(key: string, frames: readonly Uint8Array[]): string {
  if (key === "") return "";
  const hmac = createHmac("sha256", key);
  for (const frame of frames) hmac.update(frame);
  return hmac.digest("hex");
}

/** The frames of a message, signed with `key` (an empty key leaves the signature empty). */
export function encode(message: Message<unknown>, key: string): Uint8Array[] {
  const { identities, header, parentHeader, metadata, content, buffers } = message;
  const body = [header, parentHeader, metadata, content].map((part) => Buffer.from(wellFormedJson(part)!));
  return [...identities, DELIMITER, Buffer.from(sign(key, body)), ...body, ...buffers];
}

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function parse(name: string, frame: Uint8Array): Json {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(frame));
  } catch {
    throw new Error(`the ${name} is not JSON`);
  }
  if (!isObject(value)) throw new Error(`the ${name} is not a JSON object`);
  return value;
}

/** The message in `frames`. Throws if it is cut short, wrongly signed or not a message. */
export function decode(frames: readonly Uint8Array[], key: string): Message {
  const start = frames.findIndex((frame) => DELIMITER.equals(frame));
  if (start < 0) throw new Error("no <IDS|MSG> delimiter");
  const [signature, ...rest] = frames.slice(start + 1);
  if (rest.length < 4) throw new Error(`4 parts expected after the signature, got ${rest.length}`);
  const body = rest.slice(0, 4);
  if (key !== "") {
    const expected = Buffer.from(sign(key, body));
    if (signature.length !== expected.length || !timingSafeEqual(expected, signature))
      throw new Error("the signature does not match");
  }
  const [header, parentHeader, metadata, content] = ["header", "parent header", "metadata", "content"].map(
    (name, i) => parse(name, body[i]),
  );
  if (typeof header.msg_type !== "string" || typeof header.msg_id !== "string")
    throw new Error("the header names no msg_type or msg_id");
  return {
    identities: frames.slice(0, start),
    header: header as unknown as Header,
    parentHeader: parentHeader as unknown as Header,
    metadata,
    content,
    buffers: rest.slice(4),
  };
}
