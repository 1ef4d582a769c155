/**
 * Where shown values go. A kernel installs its own sink when it starts; without one they go to the terminal, so that
 * the same code runs as a script.
 */

import type { Comms } from "../comms/comms.ts";

/** Representations of one value by mime type: text, or JSON for the types that hold JSON. */
export type MimeBundle = Record<string, unknown>;

/** What is shown beside its data. */
export interface ShowOptions {
  metadata?: Record<string, unknown>;
  id?: string;
  update?: boolean;
  /** Whether it is what `once` asked for, which the whole notebook needs. */
  shipped?: boolean;
}

/** Takes outputs in place of a cell. */
export interface Capture {
  stream(name: "stdout" | "stderr", text: string): void;
  show(data: MimeBundle, options: ShowOptions): void;
  clear(wait: boolean): void;
}

export interface Sink {
  /** Whether the output is a notebook's, which shows more than text and can be updated in place. */
  readonly notebook: boolean;
  /** Shows `data`; with `update`, in place of what was shown under the same `id`. */
  show(data: MimeBundle, options: ShowOptions): void;
  /** Clears the cell's output, with `wait` only when the next output arrives. */
  clear(wait: boolean): void;
  /**
   * Whether something shipped once a notebook (a script, say) is still to be shipped: true the first time, and again
   * when the output that carried it has gone, because its cell was run again or cleared.
   */
  once(key: string): boolean;
  /** Holds the cell's end until `work`, which never rejects, is done: an image that takes time, say. */
  wait?(work: Promise<void>): void;
  /** Runs `body`; what it prints and shows, also later, goes to `capture`, or (undefined) to the cell. */
  capture?<T>(capture: Capture | undefined, body: () => T): T;
  /** Tells of an error that nobody awaits. */
  report?(error: unknown): void;
  /** Messages to and from front ends. */
  readonly comms?: Comms;
}

const KEY = Symbol.for("ditlab.kernel.sink");

const terminal: Sink = {
  notebook: false,
  show: (data) => {
    process.stdout.write(`${data["text/plain"] ?? ""}\n`);
  },
  clear: () => {},
  once: () => false,
};

type Holder = { [KEY]?: Sink };

export const sink = (): Sink => (globalThis as Holder)[KEY] ?? terminal;

/** Called by a kernel when it starts; undefined returns to the terminal. */
export function setSink(value: Sink | undefined): void {
  (globalThis as Holder)[KEY] = value;
}
