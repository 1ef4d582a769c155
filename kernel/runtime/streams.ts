/** Whatever is printed, as outputs of the cell that printed it. */
import type { Capture } from "../display/sink.ts";
import { currentCapture } from "./capture.ts";
import { type Cell, currentCell } from "./cell.ts";

export type StreamName = "stdout" | "stderr";

export interface Streams {
  write(name: StreamName, text: string, cell?: Cell): void;
  /** Publishes what comes into a file, also while this thread waits for who writes it; returns how to end. */
  follow(name: StreamName, file: string): () => void;
  /** Publishes what has been written so far; other outputs call it first, to come in order. */
  flush(): void;
}

/** Text is gathered this long before it is sent, in milliseconds: messages are costly, lines are many. */
const GATHER = 30;

export function createStreams(
  publish: (cell: Cell, name: StreamName, text: string) => void,
  followFile: (cell: Cell, name: StreamName, file: string) => () => void,
): Streams {
  let waiting: { cell: Cell; capture?: Capture; name: StreamName; text: string[] }[] = [];
  let flushed = 0;
  let armed = false;

  function flush(): void {
    armed = false;
    flushed = performance.now();
    const batch = waiting;
    waiting = [];
    for (const { cell, capture, name, text } of batch) {
      if (capture) capture.stream(name, text.join(""));
      else publish(cell, name, text.join(""));
    }
  }

  return {
    flush,
    follow(name, file) {
      const cell = currentCell();
      flush();
      return cell ? followFile(cell, name, file) : () => {};
    },
    write(name, text, cell = currentCell()) {
      if (!cell || text === "") return;
      const last = waiting.at(-1);
      const capture = currentCapture();
      if (last && last.cell === cell && last.capture === capture && last.name === name) last.text.push(text);
      else waiting.push({ cell, capture, name, text: [text] });
      if (performance.now() - flushed > GATHER) flush();
      else if (!armed) {
        armed = true;
        setImmediate(() => armed && flush());
      }
    },
  };
}

type Write = typeof process.stdout.write;

/** Makes `process.stdout` and `process.stderr` (and so the console) write to `streams`. */
export function captureProcessStreams(streams: Streams): void {
  for (const name of ["stdout", "stderr"] as const) {
    const decoder = new TextDecoder();
    process[name].write = ((chunk: string | Uint8Array, encoding?: unknown, callback?: unknown) => {
      const text =
        typeof chunk !== "string"
          ? decoder.decode(chunk, { stream: true })
          : typeof encoding === "string" && !/^utf-?8$/i.test(encoding)
            ? decoder.decode(Buffer.from(chunk, encoding as BufferEncoding), { stream: true })
            : chunk;
      streams.write(name, text);
      const done = typeof encoding === "function" ? encoding : callback;
      if (typeof done === "function") process.nextTick(done);
      return true;
    }) as Write;
  }
}
