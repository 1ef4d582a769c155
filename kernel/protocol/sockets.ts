/**
 * The thread that owns the ZeroMQ sockets. It answers heartbeats and interrupts by itself, hands requests to the main
 * thread, and sends what that has to say in order: each send is awaited, since ZeroMQ for Node loses what is queued
 * beyond 512 sends.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { Publisher, Router } from "zeromq";
import type { Adapter } from "../debugger/adapter.ts";
import { FLAG, type FromSockets, type SocketsData, type ToSockets } from "./channel.ts";
import { address, type Channel, serverEncryption } from "./connection.ts";
import { createFollowers } from "./follow.ts";
import { decode, encode, type Header, header, type Json, type Message } from "./message.ts";
import { createStopping } from "./stopping.ts";

/** A frame larger than this ends the connection of whoever sent it, in bytes. */
const MAX_FRAME = 256 * 2 ** 20;
/** How long the main thread has to end after a shutdown request, in milliseconds. */
const SHUTDOWN_GRACE = 1500;

const { connection, flags, session, kernelInfo, answers } = workerData as SocketsData;
const { key } = connection;
const port = parentPort!;
const tell = (message: FromSockets) => port.postMessage(message);

const encryption = serverEncryption(connection);
const inbound = {
  ...encryption,
  maxMessageSize: MAX_FRAME,
  linger: 500,
  sendHighWaterMark: 0,
  receiveHighWaterMark: 0,
};
const shell = new Router(inbound);
const control = new Router(inbound);
const stdin = new Router(inbound);
// A reply socket would end with the first message that no request socket sent; this one sends anything back.
const heartbeat = new Router({ ...encryption, maxMessageSize: 2 ** 16, linger: 0 });
const iopub = new Publisher({ ...encryption, linger: 500, sendHighWaterMark: 0 });
const outbound = { shell, control, stdin, iopub, hb: heartbeat };

/** A queue for each socket, emptied one awaited send after another. */
const queues = new Map<Channel, { frames: Uint8Array[]; size: number }[]>();
const draining = new Map<Channel, Promise<void>>();

async function drain(channel: Channel, queue: { frames: Uint8Array[]; size: number }[]): Promise<void> {
  for (let next = 0; next < queue.length; next++) {
    const { frames, size } = queue[next];
    try {
      await outbound[channel].send(frames as Buffer[]);
    } catch (error) {
      report(`cannot send on ${channel}: ${(error as Error).message}`);
    }
    if (size > 0) {
      Atomics.sub(flags, FLAG.unsent, size);
      Atomics.notify(flags, FLAG.unsent);
    }
  }
  queue.length = 0;
  draining.delete(channel);
}

function send(channel: Channel, message: Message<unknown>, size = 0): void {
  const queue = queues.get(channel) ?? [];
  queues.set(channel, queue);
  if (message.header.msg_type === "execute_reply") forget(message.parentHeader.msg_id);
  queue.push({ frames: encode(message, key), size });
  if (!draining.has(channel)) draining.set(channel, drain(channel, queue));
}

function answer(channel: Channel, request: Message, msg_type: string, content: Json): void {
  const identities = channel === "iopub" ? [Buffer.from(msg_type)] : request.identities;
  const head = header(msg_type, session);
  send(channel, {
    identities,
    header: head,
    parentHeader: request.header,
    metadata: {},
    content,
    buffers: [],
  });
}

const followers = createFollowers();
/** Publishes texts of a stream, as a message that has none yet says. */
const publisherOf = (message: Message) => (text: string) =>
  send("iopub", { ...message, header: header("stream", session), content: { ...message.content, text } });

let reports = 0;
/** To the server's log; a flood of bad messages must not become a flood of lines. */
function report(sentence: string): void {
  if (reports++ < 20) process.stderr.write(`ditlab kernel: ${sentence}\n`);
}

/** Cells that have arrived and have had no reply; the first is the one that runs or begins next. */
const unanswered: Header[] = [];

function forget(id: string | undefined): void {
  const at = unanswered.findIndex((cell) => cell.msg_id === id);
  if (at >= 0) unanswered.splice(at, 1);
}

const interrupt = createStopping({ flags, tell, unanswered, debugging: () => debugging });

const seen = new Set<string>();
/** Whether a signature comes for the second time: someone plays back what they overheard. */
function isReplay(frames: readonly Uint8Array[]): boolean {
  if (key === "") return false;
  const at = frames.findIndex((frame) => Buffer.from("<IDS|MSG>").equals(frame));
  const signature = Buffer.from(frames[at + 1]).toString("latin1");
  if (seen.has(signature)) return true;
  seen.add(signature);
  if (seen.size > 65536) seen.delete(seen.values().next().value!);
  return false;
}

async function listen(channel: "shell" | "control" | "stdin", handle: (message: Message) => void) {
  for await (const frames of outbound[channel] as Router) {
    try {
      const message = decode(frames, key);
      if (isReplay(frames)) throw new Error("its signature came before");
      handle(message);
    } catch (error) {
      report(`dropped a message on ${channel}: ${(error as Error).message}`);
    }
  }
}

/** The debugger, from the first request to it on, and the latest such request. */
let debugging: Adapter | undefined;
let debugRequest: Message | undefined;

/** The reply to a debug request; where the debugger cannot begin (a Node.js without inspector), its refusal. */
async function debug(request: Message): Promise<Json> {
  debugRequest = request;
  try {
    const { createAdapter } = await import("../debugger/adapter.ts");
    debugging ??= createAdapter({
      publish: (event) => debugRequest && answer("iopub", debugRequest, "debug_event", event),
      currentRun: () => Atomics.load(flags, FLAG.run),
    });
  } catch (error) {
    const { seq, command } = request.content;
    const message = `the debugger cannot begin: ${(error as Error).message}`;
    return { type: "response", request_seq: seq, command, success: false, message, body: {} };
  }
  return debugging.request(request.content);
}

async function onControl(request: Message): Promise<void> {
  const { msg_type } = request.header;
  answer("iopub", request, "status", { execution_state: "busy" });
  if (msg_type === "interrupt_request") {
    await interrupt(request);
    answer("control", request, "interrupt_reply", { status: "ok" });
  } else if (msg_type === "kernel_info_request") {
    answer("control", request, "kernel_info_reply", kernelInfo);
  } else if (msg_type === "debug_request") {
    answer("control", request, "debug_reply", await debug(request));
  } else if (msg_type === "shutdown_request") {
    tell({ kind: "message", channel: "control", message: request });
    // A paused program would not hear of it.
    if (!debugging?.isPaused()) await sleep(SHUTDOWN_GRACE);
    // The main thread is stuck in a cell.
    answer("control", request, "shutdown_reply", { status: "ok", restart: request.content.restart === true });
    await sleep(50);
    process.kill(process.pid, "SIGKILL");
  } else {
    const evalue = `this kernel does not know the request ${msg_type} on its control channel`;
    answer("control", request, msg_type.replace(/_request$/, "_reply"), {
      status: "error",
      ename: "NotSupported",
      evalue,
      traceback: [evalue],
    });
  }
  answer("iopub", request, "status", { execution_state: "idle" });
}

// Without this thread the kernel can neither be asked nor stopped, nor does a main thread that computes hear of its end.
process.on("exit", () => process.kill(process.pid, "SIGKILL"));

// A front end that was killed asked for no shutdown.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) process.kill(process.pid, "SIGKILL");
}, 500).unref();

port.on("message", async (message: ToSockets) => {
  if (message.kind === "send") send(message.channel, message.message, message.size);
  else if (message.kind === "follow") followers.follow(message.file, publisherOf(message.message));
  else if (message.kind === "followed") followers.finish(message.file);
  else if (message.kind === "mark") {
    // One turn lets the sockets hand over what has reached them.
    await sleep(1);
    tell({ kind: "marked" });
  } else {
    await Promise.all(draining.values());
    for (const socket of Object.values(outbound)) socket.close();
    debugging?.close();
    tell({ kind: "closed" });
  }
});

try {
  await Promise.all(
    (["shell", "control", "stdin", "iopub", "hb"] as const).map((channel) =>
      outbound[channel].bind(address(connection, channel)),
    ),
  );
  void listen("control", (message) => void onControl(message));
  void listen("shell", (message) => {
    if (message.header.msg_type === "execute_request") unanswered.push(message.header);
    tell({ kind: "message", channel: "shell", message });
  });
  void listen("stdin", (message) => {
    if (Atomics.load(flags, FLAG.asking) === 0) return tell({ kind: "message", channel: "stdin", message });
    answers.postMessage(message);
    Atomics.add(flags, FLAG.answers, 1);
    Atomics.notify(flags, FLAG.answers);
  });
  void (async () => {
    for await (const frames of heartbeat)
      await heartbeat
        .send(frames)
        .catch((error: Error) => report(`cannot answer a heartbeat: ${error.message}`));
  })();
  tell({ kind: "ready" });
} catch (error) {
  tell({ kind: "failed", error: `cannot listen: ${(error as Error).message}` });
}
