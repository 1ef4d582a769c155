/**
 * What was run, kept over restarts: the inputs of each session in a file of its own that only its owner can read.
 * `DITLAB_HISTORY=off` keeps nothing.
 */
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { HistoryEntry, HistorySession } from "./search.ts";

export interface History {
  /** Notes what is run; the entry, to which what it showed may be added. */
  add(line: number, input: string): HistoryEntry;
  /** The entry that was added last. */
  latest(): HistoryEntry | undefined;
  /** All sessions that are kept, oldest first; the last is this one. */
  sessions(): readonly HistorySession[];
}

/** Entries of this session that are remembered. */
const MAX_ENTRIES = 10_000;
/** Characters of earlier sessions that are kept and read; the oldest sessions go first. */
const MAX_KEPT = 4 * 2 ** 20;
/** `<time in milliseconds>-<process>.jsonl`: whatever else lies in the folder is not ours. */
const FILE = /^\d{13}-\d+\.jsonl$/;

/** Where histories are: `DITLAB_HOME`, else `ditlab` in `XDG_STATE_HOME` or `~/.local/state`; undefined for nowhere. */
export function historyFolder(env: NodeJS.ProcessEnv): string | undefined {
  if (env.DITLAB_HISTORY === "off") return undefined;
  const state = env.XDG_STATE_HOME || join(homedir(), ".local/state");
  return join(env.DITLAB_HOME || join(state, "ditlab"), "history");
}

/** A session's inputs; a line that was cut short is left out. */
function readEntries(file: string): HistoryEntry[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .flatMap((text): HistoryEntry[] => {
      try {
        const { line, input } = JSON.parse(text) as HistoryEntry;
        return typeof line === "number" && typeof input === "string" ? [{ line, input }] : [];
      } catch {
        return [];
      }
    });
}

/** Reads earlier sessions, newest first, as far as they are kept, and removes the files of those that are not. */
function readSessions(folder: string, own: string): HistoryEntry[][] {
  const files = readdirSync(folder).filter((name) => FILE.test(name) && name !== own);
  const sessions: HistoryEntry[][] = [];
  let size = 0;
  for (const name of files.sort().reverse()) {
    const file = join(folder, name);
    size += statSync(file).size;
    if (size > MAX_KEPT) rmSync(file, { force: true });
    else sessions.push(readEntries(file));
  }
  return sessions.reverse();
}

/** @param folder where sessions are kept; undefined keeps this one in memory alone */
export function openHistory(folder: string | undefined): History {
  const own = `${Date.now()}-${process.pid}.jsonl`;
  const entries: HistoryEntry[] = [];
  let earlier: HistoryEntry[][] | undefined;

  /** Losing the history is no reason to fail a cell. */
  function unlessItFails<T>(body: () => T): T | undefined {
    try {
      return body();
    } catch {
      return undefined;
    }
  }
  function write(entry: HistoryEntry): void {
    if (!folder) return;
    unlessItFails(() => {
      if (entries.length === 1) mkdirSync(folder, { recursive: true, mode: 0o700 });
      appendFileSync(join(folder, own), `${JSON.stringify(entry)}\n`, { mode: 0o600 });
    });
  }
  return {
    add(line, input) {
      const entry: HistoryEntry = { line, input };
      entries.push(entry);
      if (entries.length > MAX_ENTRIES) entries.shift();
      write(entry);
      return entry;
    },
    latest: () => entries.at(-1),
    sessions() {
      earlier ??= (folder && unlessItFails(() => readSessions(folder, own))) || [];
      return [...earlier, entries].map((of, i) => ({ number: i + 1, entries: of }));
    },
  };
}
