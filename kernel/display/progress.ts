/** A progress bar: HTML updated in place in a notebook, one line in a terminal. */
import { randomUUID } from "node:crypto";
import cliProgress from "cli-progress";
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

/** Time between two pictures of the bar, in milliseconds. */
const INTERVAL = 100;

interface State {
  readonly label: string;
  readonly unit: string;
  readonly total: number | undefined;
  readonly done: number;
  readonly note: string;
  readonly seconds: number;
  readonly ended: boolean;
}

function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  const [h, m, s] = [seconds / 3600, (seconds / 60) % 60, seconds % 60].map(Math.floor);
  const two = (n: number) => String(n).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

function figures({ total, done, seconds, unit, note, ended }: State): string {
  const rate = seconds > 0 ? done / seconds : 0;
  const parts = [total === undefined ? `${done} ${unit}` : `${done} / ${total} ${unit}`];
  if (total) parts[0] += ` (${Math.floor((100 * done) / total)} %)`;
  const left = !ended && total !== undefined && done > 0 ? `, ${duration((total - done) / rate)} left` : "";
  parts.push(`${duration(seconds)}${left}`, `${rate >= 10 ? rate.toFixed(0) : rate.toFixed(2)} ${unit}/s`);
  if (note) parts.push(note);
  return parts.join(" · ");
}

function html(state: State): string {
  const { total, done, label } = state;
  const share =
    total === undefined
      ? state.ended
        ? "100%"
        : "15%"
      : `${Math.min(100, (100 * done) / Math.max(total, 1))}%`;
  const caption = [label, figures(state)].filter((part) => part !== "").map(escapeHtml);
  return `<div style="max-width:40em;margin:0.3em 0"><div style="font-variant-numeric:tabular-nums;font-size:0.9em;margin-bottom:0.2em">${caption.join(" · ")}</div><div role="progressbar" style="height:0.5em;border-radius:0.25em;background:rgba(128,128,128,0.25);overflow:hidden"><div style="height:100%;width:${share};background:${state.ended ? "#3a8f5c" : "#3b78c4"}"></div></div></div>`;
}

function notebookBar(): (state: State) => void {
  const id = randomUUID();
  let shown = false;
  return (state) => {
    const text = [state.label, figures(state)].filter((part) => part !== "").join(" · ");
    sink().show({ "text/html": html(state), "text/plain": text }, { id, update: shown });
    shown = true;
  };
}

function terminalBar(label: string): (state: State) => void {
  if (!process.stderr.isTTY)
    return (state) => {
      if (state.ended)
        process.stderr.write(`${[label, figures(state)].filter((part) => part !== "").join(" · ")}\n`);
    };
  const bar = new cliProgress.SingleBar(
    { format: `${label ? `${label} ` : ""}{bar} {figures}`, hideCursor: true, clearOnComplete: false },
    cliProgress.Presets.shades_classic,
  );
  let started = false;
  return (state) => {
    if (!started) bar.start(state.total ?? 0, 0, { figures: "" });
    started = true;
    bar.update(state.done, { figures: figures(state) });
    if (state.ended) bar.stop();
  };
}

function start(total: number | undefined, { label = "", unit = "it" }: ProgressOptions): Progress {
  const draw = sink().notebook ? notebookBar() : terminalBar(label);
  const started = performance.now();
  let drawn = Number.NEGATIVE_INFINITY;
  let [done, note] = [0, ""];
  const state = (ended: boolean): State => ({
    ...{ label, unit, total, done, note, ended },
    seconds: (performance.now() - started) / 1000,
  });
  draw(state(false));
  return {
    update(count, word = note) {
      [done, note] = [count, word];
      const now = performance.now();
      if (now - drawn < INTERVAL) return;
      drawn = now;
      draw(state(false));
    },
    done(word = note) {
      note = word;
      draw(state(true));
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
