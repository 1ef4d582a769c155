/** Runs below a folder as they are at the moment: what they have logged, how far they are, and their newest samples. */
import { open, readdir, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { MonitorEntry } from "../train/monitor.ts";
import { isLoss } from "../train/step.ts";

/** One run, as the page shows it. */
export interface WatchedRun {
  /** Path below the watched folder, with `/`; empty for that folder itself. */
  id: string;
  /** What helps it learn. */
  methods: string[];
  /** Steps done and all of them. */
  step: number;
  steps: number;
  /** Seconds of a step, and for what is left. */
  stepSeconds?: number;
  secondsLeft?: number;
  /** `quiet`: its log has not grown for some time, so it has been stopped, or is measured. */
  state: "training" | "quiet" | "done";
  /** Losses and other numbers by name, at some of the logged steps. */
  curves: { step: number[]; values: Record<string, (number | null)[]> };
  /** Names of the curves that are losses. */
  losses: string[];
  /** What its monitor has seen (lists by block, the first block's first), once it has looked. */
  monitor?: {
    step: number[];
    /** What part of the loss each method's is, at those steps. */
    shares: Record<string, (number | null)[]>;
    newest: Pick<MonitorEntry, "step" | "studentNorms" | "averageNorms" | "similarity">;
  };
  /** The newest grid of samples: its path below the run, when it was written (ms), and what its images are to be of. */
  samples?: { file: string; changed: number; captions?: string[] };
}

type Entry = Record<string, number | null>;

/** A log that has been read so far. */
interface Log<E> {
  file: number;
  /** Bytes of whole lines. */
  read: number;
  entries: E[];
}

const emptyLog = <E>(): Log<E> => ({ file: 0, read: 0, entries: [] });

const DEEPEST = 4;
const MOST_RUNS = 500;
const MOST_POINTS = 400;
/** Folders in a run that hold no runs. */
const SKIPPED = new Set(["checkpoints", "samples", "node_modules"]);
/** A log grows at least as often, or else the run is quiet. */
const QUIET_SECONDS = 30;

/** Whole lines of a log behind what has been read; a line that is being written waits. */
async function grown<E>(path: string, before: Log<E> | undefined): Promise<{ log: Log<E>; changed: number }> {
  const handle = await open(path, "r");
  try {
    const { ino, size, mtimeMs } = await handle.stat();
    const isSame = before !== undefined && before.file === ino && size >= before.read;
    const log: Log<E> = isSame ? before : { file: ino, read: 0, entries: [] };
    const bytes = Buffer.alloc(size - log.read);
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, log.read);
    const end = bytes.subarray(0, bytesRead).lastIndexOf(0x0a) + 1;
    for (const line of bytes.toString("utf8", 0, end).split("\n")) {
      try {
        const entry = JSON.parse(line);
        if (typeof entry?.step === "number") log.entries.push(entry);
      } catch {
        // A line that a kill cut in two.
      }
    }
    log.read += end;
    return { log, changed: mtimeMs };
  } finally {
    await handle.close();
  }
}

/** At most so many of a list, evenly spaced, the last always among them. */
function thinned<T>(items: readonly T[], most: number): T[] {
  if (items.length <= most) return [...items];
  return Array.from({ length: most }, (_, i) => items[Math.round(((i + 1) * items.length) / most) - 1]);
}

async function newestSamples(folder: string): Promise<WatchedRun["samples"]> {
  const grids = (await readdir(join(folder, "samples")).catch(() => []))
    .filter((name) => /^step-\d+\.png$/.test(name))
    .sort()
    .map((name) => `samples/${name}`);
  for (const file of [...(grids.length > 0 ? [grids[grids.length - 1]] : []), "samples.png"]) {
    const found = await stat(join(folder, file)).catch(() => undefined);
    if (!found) continue;
    const texts = await readFile(join(folder, dirname(file), "captions.txt"), "utf8").catch(() => undefined);
    const captions = texts?.trimEnd().split("\n");
    return { file, changed: found.mtimeMs, ...(captions && { captions }) };
  }
  return undefined;
}

interface Config {
  steps: number;
  logEvery?: number;
  methods?: { method?: string }[];
}

/** The config of a run folder; nothing where it is none, or is being written. */
async function configOf(folder: string): Promise<Config | undefined> {
  try {
    const config = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
    return Number.isInteger(config?.steps) && typeof config.model === "object" ? config : undefined;
  } catch {
    return undefined;
  }
}

function watched(id: string, config: Config, log: Log<Entry>, changed: number, now: number): WatchedRun {
  const { entries } = log;
  const last = entries.at(-1);
  const step = last?.step ?? 0;
  const stepSeconds = last?.stepSeconds ?? undefined;
  const shown = thinned(entries, MOST_POINTS);
  const names = [...new Set(entries.slice(-1).flatMap(Object.keys))].filter((name) => name !== "step");
  const silence = Math.max(QUIET_SECONDS, 5 * (stepSeconds ?? 0) * (config.logEvery ?? 1));
  const isDone = step >= config.steps;
  return {
    id,
    methods: (config.methods ?? []).map(({ method }) => String(method)),
    step,
    steps: config.steps,
    ...(stepSeconds !== undefined && {
      stepSeconds,
      secondsLeft: Math.max(0, config.steps - step) * stepSeconds,
    }),
    state: isDone ? "done" : now - changed < silence * 1000 ? "training" : "quiet",
    curves: {
      step: shown.map((entry) => entry.step!),
      values: Object.fromEntries(names.map((name) => [name, shown.map((entry) => entry[name] ?? null)])),
    },
    losses: names.filter(isLoss),
  };
}

function monitored({ entries }: Log<MonitorEntry>): WatchedRun["monitor"] {
  const newest = entries.at(-1);
  if (!newest) return undefined;
  const shown = thinned(entries, MOST_POINTS);
  const { step, studentNorms, averageNorms, similarity } = newest;
  const shareOf = (name: string) => shown.map(({ shares }) => shares[name] ?? null);
  return {
    step: shown.map((entry) => entry.step),
    shares: Object.fromEntries(Object.keys(newest.shares).map((name) => [name, shareOf(name)])),
    newest: { step, studentNorms, averageNorms, similarity },
  };
}

/**
 * Watches a folder: each call reads what has been logged since the one before. Runs may appear, grow, be written over and
 * vanish at any moment.
 * @returns the runs by path, 500 at most
 */
export function runScanner(folder: string): () => Promise<WatchedRun[]> {
  const logs = new Map<string, { metrics: Log<Entry>; monitor: Log<MonitorEntry> }>();

  async function read(id: string, path: string): Promise<WatchedRun | undefined> {
    const config = await configOf(path);
    if (!config) return undefined;
    const before = logs.get(id);
    const { log: metrics, changed } = await grown(join(path, "metrics.jsonl"), before?.metrics).catch(
      async () => ({
        log: emptyLog<Entry>(),
        // It has not logged yet.
        changed: (await stat(join(path, "config.json"))).mtimeMs,
      }),
    );
    const { log: monitor } = await grown(join(path, "monitor.jsonl"), before?.monitor).catch(() => ({
      log: emptyLog<MonitorEntry>(),
    }));
    logs.set(id, { metrics, monitor });
    const samples = await newestSamples(path);
    const seen = monitored(monitor);
    return {
      ...watched(id, config, metrics, changed, Date.now()),
      ...(seen && { monitor: seen }),
      ...(samples && { samples }),
    };
  }

  async function visit(id: string, depth: number, found: WatchedRun[]): Promise<void> {
    const path = join(folder, id);
    const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
    if (entries.some((entry) => entry.name === "config.json")) {
      // It may vanish while it is read.
      const run = await read(id, path).catch(() => undefined);
      if (run) found.push(run);
    }
    if (depth === DEEPEST) return;
    for (const entry of entries) {
      if (found.length >= MOST_RUNS) return;
      if (!entry.isDirectory() || SKIPPED.has(entry.name) || entry.name.startsWith(".")) continue;
      await visit(id === "" ? entry.name : `${id}/${entry.name}`, depth + 1, found);
    }
  }

  return async () => {
    const found: WatchedRun[] = [];
    await visit("", 0, found);
    for (const id of logs.keys()) if (!found.some((run) => run.id === id)) logs.delete(id);
    return found.sort((a, b) => (a.id < b.id ? -1 : 1));
  };
}
