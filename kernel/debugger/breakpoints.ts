/** Breakpoints by source: kept over runs of a cell, and set in every script that it becomes. */
import type { DapBreakpoint, DapSource, WantedBreakpoint } from "./dap.ts";
import { type Inspector, inPlaceCall } from "./inspector.ts";
import type { OwnScript, Scripts, Stop } from "./scripts.ts";

export interface Breakpoints {
  /** Replaces those of a source. */
  set(source: DapSource, wanted: readonly WantedBreakpoint[]): Promise<DapBreakpoint[]>;
  /** Sets those of its source in a script that has not run yet. */
  prepare(script: OwnScript): Promise<void>;
  /** Sets all again in a session that begins. */
  restore(): Promise<void>;
  list(): { source: string; breakpoints: { line: number }[] }[];
  clear(): void;
}

export interface BreakpointsOptions {
  readonly inspector: Inspector;
  readonly scripts: Scripts;
  /** The text of a source that has no script yet. */
  readonly textOf: (path: string) => string | undefined;
  readonly isAttached: () => boolean;
}

interface SourceBreakpoints {
  readonly source: DapSource;
  readonly wanted: readonly WantedBreakpoint[];
  /** Lines at which they came to be, as far as that is known. */
  readonly lines: (number | undefined)[];
  /** What V8 calls those that are set. */
  readonly ids: string[];
}

/** The first place to stop that is not before a breakpoint. */
const stopFor = (stops: readonly Stop[], { line, column = 0 }: WantedBreakpoint): Stop | undefined =>
  stops.find(({ place }) => place.line > line || (place.line === line && place.column >= column));

function conditionOf({ source }: OwnScript, { condition, logMessage }: WantedBreakpoint): string | undefined {
  const holds = condition?.trim() ? inPlaceCall("holds", source, condition) : undefined;
  if (!logMessage) return holds;
  const log = inPlaceCall("log", source, logMessage);
  return holds === undefined ? log : `${holds} && ${log}`;
}

export function createBreakpoints({
  inspector,
  scripts,
  textOf,
  isAttached,
}: BreakpointsOptions): Breakpoints {
  const all = new Map<string, SourceBreakpoints>();

  async function setIn(script: OwnScript, breakpoints: SourceBreakpoints): Promise<void> {
    const stops = await scripts.stops(script);
    for (const [i, wanted] of breakpoints.wanted.entries()) {
      const stop = stopFor(stops, wanted);
      if (!stop) continue;
      breakpoints.lines[i] = stop.place.line;
      const condition = conditionOf(script, wanted);
      try {
        const { breakpointId } = await inspector.post<{ breakpointId: string }>("Debugger.setBreakpoint", {
          location: stop.location,
          ...(condition === undefined ? {} : { condition }),
        });
        breakpoints.ids.push(breakpointId);
      } catch {
        // Two of them came to be at one place.
      }
    }
  }

  /** Where breakpoints will come to be in code that has not run. */
  async function foresee({ source, wanted, lines }: SourceBreakpoints): Promise<void> {
    const text = textOf(source.path);
    const possible = text === undefined ? [] : await inspector.ask("lines", text);
    wanted.forEach(({ line }, i) => {
      lines[i] = text === undefined ? line : possible.find((one) => one >= line);
    });
  }

  async function apply(breakpoints: SourceBreakpoints): Promise<void> {
    const ran = isAttached() ? await scripts.of(breakpoints.source.path) : [];
    for (const script of ran) {
      try {
        await setIn(script, breakpoints);
      } catch {
        // Its functions are gone, and the script with them.
      }
    }
    if (ran.length === 0) await foresee(breakpoints);
  }

  async function remove({ ids }: SourceBreakpoints): Promise<void> {
    for (const breakpointId of ids.splice(0))
      await inspector.post("Debugger.removeBreakpoint", { breakpointId }).catch(() => {});
  }

  /** One change after another. */
  let changing: Promise<unknown> = Promise.resolve();
  function afterOthers<T>(change: () => Promise<T>): Promise<T> {
    const changed = changing.then(change);
    changing = changed.catch(() => {});
    return changed;
  }

  return {
    set: (source, wanted) =>
      afterOthers(async () => {
        const before = all.get(source.path);
        if (before) await remove(before);
        const breakpoints: SourceBreakpoints = {
          source,
          wanted,
          lines: wanted.map(() => undefined),
          ids: [],
        };
        if (wanted.length === 0) all.delete(source.path);
        else all.set(source.path, breakpoints);
        await apply(breakpoints);
        return wanted.map(({ line }, i) => ({
          verified: breakpoints.lines[i] !== undefined,
          line: breakpoints.lines[i] ?? line,
          source,
        }));
      }),
    prepare: (script) =>
      afterOthers(async () => {
        const breakpoints = all.get(script.path);
        if (breakpoints) await setIn(script, breakpoints);
      }),
    restore: () =>
      afterOthers(async () => {
        for (const breakpoints of all.values()) await apply(breakpoints);
      }),
    list: () =>
      [...all].map(([source, { wanted, lines }]) => ({
        source,
        breakpoints: wanted.map((one, i) => ({ ...one, line: lines[i] ?? one.line })),
      })),
    clear: () => all.clear(),
  };
}
