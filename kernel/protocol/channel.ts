/**
 * The main thread's side of the sockets, which live in a thread of their own: while a cell computes, its output goes
 * out, heartbeats are answered and an interrupt is heard.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";
import type { Channel, Connection } from "./connection.ts";
import type { Json, Message } from "./message.ts";

/** Cells of the memory that both threads see. */
export const FLAG = {
  /** 1 while the running cell is to stop; compiled loops look at it, so it comes first. */
  interrupt: 0,
  /** The number of the running cell's run; 0 when none runs. */
  run: 1,
  /** Kilobytes handed to the socket thread and not yet sent. */
  unsent: 2,
  /** How many interrupts the main thread has come to. */
  heard: 3,
  /** 1 while the main thread does nothing but wait for a reader's answer. */
  asking: 4,
  /** How many answers have come while it did. */
  answers: 5,
  /** How many signals the socket thread has sent to this process. */
  signals: 6,
} as const;

/** How much output may wait for the socket thread before a printing cell waits too, in kilobytes. */
const MAX_UNSENT = 64 * 1024;

/** How often a waiting main thread looks whether it is to stop, in milliseconds. */
const LOOK_FOR_STOP = 20;

export type ToSockets =
  | { kind: "send"; channel: Channel; message: Message<unknown>; size: number }
  | { kind: "follow"; file: string; message: Message }
  | { kind: "followed"; file: string }
  | { kind: "mark" }
  | { kind: "close" };

export type FromSockets =
  | { kind: "ready" }
  | { kind: "failed"; error: string }
  | { kind: "message"; channel: Channel; message: Message }
  /** Of a run, or (0) of what cells that have ended left running. */
  | { kind: "interrupt"; run: number }
  | { kind: "marked" }
  | { kind: "closed" };

export interface SocketsData {
  readonly connection: Connection;
  readonly flags: Int32Array;
  readonly session: string;
  readonly kernelInfo: Json;
  /** Takes answers to the main thread while it waits. */
  readonly answers: MessagePort;
}

export interface Sockets {
  readonly flags: Int32Array;
  send(channel: Channel, message: Message<unknown>, size?: number): void;
  /** Publishes what comes into a file as the text of a stream, until the returned function is called. */
  follow(file: string, message: Message): () => void;
  /** Blocks until a message comes on the channel of answers; undefined if the cell is to stop first. */
  waitForAnswer(): Message | undefined;
  /** Resolves when everything that had arrived by now has been handed over. */
  arrived(): Promise<void>;
  /** Sends what is waiting, closes the sockets and ends the thread. */
  close(): Promise<void>;
}

export function openSockets(
  data: Omit<SocketsData, "flags" | "answers">,
  handlers: {
    onMessage(channel: Channel, message: Message): void;
    onInterrupt(run: number): void;
  },
): Promise<Sockets> {
  const flags = new Int32Array(new SharedArrayBuffer(4 * Object.keys(FLAG).length));
  // Beside this file: .js in the build, .ts when run from the sources.
  const file = new URL(`sockets${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);
  const answers = new MessageChannel();
  const worker = new Worker(file, {
    workerData: { ...data, flags, answers: answers.port2 } satisfies SocketsData,
    transferList: [answers.port2],
  });
  const marks: (() => void)[] = [];
  let closed: () => void = () => {};
  const post = (message: ToSockets) => worker.postMessage(message);

  const sockets: Sockets = {
    flags,
    send(channel, message, size = 0) {
      const kilobytes = size >> 10;
      if (kilobytes > 0) {
        let unsent = Atomics.add(flags, FLAG.unsent, kilobytes) + kilobytes;
        while (unsent > MAX_UNSENT && Atomics.load(flags, FLAG.interrupt) === 0) {
          Atomics.wait(flags, FLAG.unsent, unsent, 50);
          unsent = Atomics.load(flags, FLAG.unsent);
        }
      }
      post({ kind: "send", channel, message, size: kilobytes });
    },
    follow(file, message) {
      post({ kind: "follow", file, message });
      return () => post({ kind: "followed", file });
    },
    waitForAnswer() {
      Atomics.store(flags, FLAG.asking, 1);
      try {
        for (;;) {
          const come = Atomics.load(flags, FLAG.answers);
          const received = receiveMessageOnPort(answers.port1) as { message: Message } | undefined;
          if (received) return received.message;
          if (Atomics.load(flags, FLAG.interrupt) !== 0) return undefined;
          Atomics.wait(flags, FLAG.answers, come, LOOK_FOR_STOP);
        }
      } finally {
        Atomics.store(flags, FLAG.asking, 0);
      }
    },
    arrived: () =>
      new Promise((resolve) => {
        marks.push(resolve);
        post({ kind: "mark" });
      }),
    close: () =>
      new Promise((resolve) => {
        closed = resolve;
        post({ kind: "close" });
      }),
  };

  return new Promise((resolve, reject) => {
    worker.on("error", reject);
    // Without its sockets a kernel can neither be asked nor stopped.
    worker.on("exit", () => process.kill(process.pid, "SIGKILL"));
    worker.on("message", (message: FromSockets) => {
      if (message.kind === "ready") resolve(sockets);
      else if (message.kind === "failed") reject(new Error(message.error));
      else if (message.kind === "message") handlers.onMessage(message.channel, message.message);
      else if (message.kind === "interrupt") {
        Atomics.add(flags, FLAG.heard, 1);
        handlers.onInterrupt(message.run);
      } else if (message.kind === "marked") marks.shift()?.();
      else closed();
    });
  });
}
