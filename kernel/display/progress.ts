/** A progress bar: HTML updated in place in a notebook, one line in a terminal. */
import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { sink } from "./sink.ts";
import { escapeHtml } from "./table.ts";

export interface ProgressOptions {
  label?: string;
  /** How many there will be, where an iterable does not say. */
  total?: number;
  /** What is counted. */
  unit?: string;
}

export interface Progress {
  /** Says that `done` are done, with a word on the last. */
  update(done: number, note?: string): void;
  /** Shows the end; the bar stays as it is. */
  done(note?: string): void;
}

/** Time between two pictures of the bar, and between two lines where there is no bar, in milliseconds. */
const INTERVAL = 100;
const LINE_INTERVAL = 5000;

interface State {
  readonly label: string;
  readonly unit: string;
  readonly total: number | undefined;
  readonly done: number;
  readonly note: string;
  readonly seconds: number;
  readonly ended: boolean;
}

/** Whether it ended before all was done: by a break, an error or an interrupt. */
const isCut = ({ ended, total, done }: State) => ended && total !== undefined && done < total;

function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  const [h, m, s] = [seconds / 3600, (seconds / 60) % 60, seconds % 60].map(Math.floor);
  const two = (n: number) => String(n).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

function figures(state: State): string {
  const { total, done, seconds, unit, note, ended } = state;
  const rate = seconds > 0 ? done / seconds : 0;
  const count = total === undefined ? `${done}` : `${done} / ${total}`;
  const share = total ? ` (${Math.floor((100 * done) / total)} %)` : "";
  const left =
    !ended && total !== undefined && done > 0 ? `, ${duration(Math.max(0, total - done) / rate)} left` : "";
  const parts = [`${count} ${unit}${share}`, `${duration(seconds)}${left}`];
  if (done > 0) parts.push(`${rate >= 10 ? rate.toFixed(0) : rate.toFixed(2)} ${unit}/s`);
  if (isCut(state)) parts.push("stopped");
  if (note) parts.push(note);
  return parts.join(" · ");
}

const captionOf = (state: State): string =>
  [state.label, figures(state)].filter((part) => part !== "").join(" · ");

function html(state: State): string {
  const { total, done, ended } = state;
  const unknown = ended ? 100 : 15;
  const share = total === undefined ? unknown : Math.min(100, (100 * done) / Math.max(total, 1));
  const width = total === 0 && ended ? 100 : share;
  const colour = isCut(state) ? "#b0792a" : ended ? "#3a8f5c" : "#3b78c4";
  return `<div style="max-width:40em;margin:0.3em 0"><div style="font-variant-numeric:tabular-nums;font-size:0.9em;margin-bottom:0.2em">${escapeHtml(captionOf(state))}</div><div role="progressbar" style="height:0.5em;border-radius:0.25em;background:rgba(128,128,128,0.25);overflow:hidden"><div style="height:100%;width:${width}%;background:${colour}"></div></div></div>`;
}

function notebookBar(): (state: State) => void {
  const id = randomUUID();
  let shown = false;
  return (state) => {
    sink().show({ "text/html": html(state), "text/plain": captionOf(state) }, { id, update: shown });
    shown = true;
  };
}

/** A line now and then, and one at the end. */
function lines(): (state: State) => void {
  let written = performance.now();
  return (state) => {
    if (!state.ended && performance.now() - written < LINE_INTERVAL) return;
    written = performance.now();
    process.stderr.write(`${captionOf(state)}\n`);
  };
}

function terminalBar(label: string): (state: State) => void {
  // For terminals alone: a kernel starts sooner without it.
  const cliProgress = createRequire(import.meta.url)("cli-progress") as typeof import("cli-progress");
  const bar = new cliProgress.SingleBar(
    // The label goes in as a value: braces in it are no placeholders.
    { format: `${label ? "{label} " : ""}{bar} {figures}`, hideCursor: true, clearOnComplete: false },
    cliProgress.Presets.shades_classic,
  );
  let started = false;
  return (state) => {
    if (!started) bar.start(state.total ?? 0, 0, { label, figures: "" });
    started = true;
    bar.update(state.done, { figures: figures(state) });
    if (state.ended) bar.stop();
  };
}

function drawer(label: string): (state: State) => void {
  if (sink().notebook) return notebookBar();
  return process.stderr.isTTY ? terminalBar(label) : lines();
}

function start(total: number | undefined, { label = "", unit = "it" }: ProgressOptions): Progress {
  const draw = drawer(label);
  const started = performance.now();
  let drawn = Number.NEGATIVE_INFINITY;
  let [done, note, ended] = [0, "", false];
  const picture = (): void => {
    drawn = performance.now();
    draw({ label, unit, total, done, note, seconds: (drawn - started) / 1000, ended });
  };
  picture();
  return {
    update(count, word = note) {
      if (ended) return;
      const completes = total !== undefined && count >= total && done < total;
      [done, note] = [count, word];
      // Whoever counts by hand may forget to say that it is done.
      if (completes || performance.now() - drawn >= INTERVAL) picture();
    },
    done(word = note) {
      if (ended) return;
      note = word;
      ended = true;
      picture();
    },
  };
}

function* counted<T>(items: Iterable<T>, bar: Progress): Generator<T> {
  let done = 0;
  try {
    for (const item of items) {
      yield item;
      bar.update(++done);
    }
  } finally {
    bar.done();
  }
}

async function* countedAsync<T>(items: AsyncIterable<T>, bar: Progress): AsyncGenerator<T> {
  let done = 0;
  try {
    for await (const item of items) {
      yield item;
      bar.update(++done);
    }
  } finally {
    bar.done();
  }
}

const sizeOf = (items: object): number | undefined => {
  const { length, size } = items as { length?: unknown; size?: unknown };
  return typeof length === "number" ? length : typeof size === "number" ? size : undefined;
};

/**
 * Shows how far something is: `for (const x of progress(items))`, also with `for await`, or by hand:
 * `const bar = progress(100); bar.update(1); bar.done()`.
 */
export function progress(total: number, options?: ProgressOptions): Progress;
export function progress<T>(items: Iterable<T>, options?: ProgressOptions): Generator<T>;
export function progress<T>(items: AsyncIterable<T>, options?: ProgressOptions): AsyncGenerator<T>;
export function progress<T>(
  items: number | Iterable<T> | AsyncIterable<T>,
  options: ProgressOptions = {},
): Progress | Generator<T> | AsyncGenerator<T> {
  if (typeof items === "number") return start(items, options);
  const bar = start(options.total ?? sizeOf(items), options);
  return Symbol.asyncIterator in items ? countedAsync(items, bar) : counted(items, bar);
}
