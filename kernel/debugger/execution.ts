/** How the program runs under the debugger: where it stops, why, and how it goes on. */
import type { StopReason } from "./dap.ts";
import type { ThrowPosition } from "./debuggee.ts";
import type { AsyncStack, CallFrame, Inspector, PausedEvent } from "./inspector.ts";
import type { OwnScript, Scripts } from "./scripts.ts";

export type Step = "stepInto" | "stepOver" | "stepOut";

/** A frame of the reader's code. */
export interface OwnFrame {
  readonly frame: CallFrame;
  readonly script: OwnScript;
}

export interface Stopped {
  readonly reason: StopReason;
  readonly frames: readonly OwnFrame[];
  /** What was thrown. */
  readonly exception?: string;
}

export interface Execution {
  onPaused(event: PausedEvent): Promise<void>;
  stopped(): Stopped | undefined;
  resume(): Promise<void>;
  step(step: Step): Promise<void>;
  pause(): Promise<void>;
  setExceptionFilters(filters: readonly string[]): Promise<void>;
  /** As it is when nobody debugs. */
  reset(): void;
}

export interface ExecutionOptions {
  readonly inspector: Inspector;
  readonly scripts: Scripts;
  /** The number of the run of a cell that goes on; 0 between cells. */
  readonly currentRun: () => number;
  /** Called before a script runs for the first time. */
  readonly onScript: (script: OwnScript) => Promise<void>;
  readonly onStopped: (stopped: Stopped) => void;
  readonly onContinued: () => void;
}

/** How many small steps one step may take: a line may be a loop that never ends. */
const MAX_STEPS = 100;
/** How many callers of asynchronous functions are known, for the question who handles their exceptions. */
const ASYNC_DEPTH = 16;

/** A step that a front end has asked for, and where it began. */
interface Stepping {
  readonly step: Step;
  readonly run: number;
  readonly at?: { readonly line: number; readonly scriptId: string; readonly callers: number };
  taken: number;
}

export function createExecution(options: ExecutionOptions): Execution {
  const { inspector, scripts, currentRun, onScript, onStopped, onContinued } = options;
  let stopped: Stopped | undefined;
  let stepping: Stepping | undefined;
  let pausing = false;
  let filters: ReadonlySet<string> = new Set();
  /** Texts of scripts that are not the reader's, which exceptions came through. */
  const texts = new Map<string, Promise<string>>();

  async function ownFrames(frames: readonly CallFrame[]): Promise<OwnFrame[]> {
    const own: OwnFrame[] = [];
    for (const frame of frames) {
      const script = await scripts.own(frame.location.scriptId);
      if (script) own.push({ frame, script });
    }
    return own;
  }

  const lineOf = async (top: OwnFrame | undefined): Promise<number | undefined> =>
    top && (await scripts.places(top.script, [top.frame.location]))[0]?.line;

  function textOf(scriptId: string): Promise<string> {
    let text = texts.get(scriptId);
    if (!text) {
      text = inspector
        .post<{ scriptSource: string }>("Debugger.getScriptSource", { scriptId })
        .then(({ scriptSource }) => scriptSource);
      texts.set(scriptId, text);
    }
    return text;
  }

  async function throwPosition(
    scriptId: string,
    lineNumber: number,
    columnNumber = 0,
  ): Promise<ThrowPosition> {
    const own = await scripts.own(scriptId);
    const at = { line: lineNumber, column: columnNumber };
    return own?.source != null ? { ...at, source: own.source } : { ...at, text: await textOf(scriptId) };
  }

  /** Whether code of the reader's, or of a package between it and the throw, handles what was thrown. */
  async function isCaught({ callFrames, asyncStackTrace }: PausedEvent): Promise<boolean> {
    const last = callFrames.findLastIndex(({ location }) => scripts.isOwn(location.scriptId));
    const positions: ThrowPosition[] = [];
    for (const { location } of callFrames.slice(0, last + 1))
      positions.push(await throwPosition(location.scriptId, location.lineNumber, location.columnNumber));
    for (let stack: AsyncStack | undefined = asyncStackTrace; stack; stack = stack.parent)
      for (const { scriptId, lineNumber, columnNumber } of stack.callFrames)
        if (scripts.isOwn(scriptId)) positions.push(await throwPosition(scriptId, lineNumber, columnNumber));
    return inspector.ask("isCaught", positions);
  }

  async function isWantedException(event: PausedEvent, frames: readonly OwnFrame[]): Promise<boolean> {
    if (frames.length === 0 || filters.size === 0) return false;
    // A check of the kernel has thrown: the cell is being stopped.
    if (event.callFrames[0] === frames[0].frame && (await lineOf(frames[0])) === undefined) return false;
    const caught = await isCaught(event);
    if (!caught) return filters.has("uncaught") || filters.has("all");
    // What a package handles by itself never comes to the reader's code.
    return filters.has("all") && event.callFrames[0] === frames[0].frame;
  }

  function stop(reason: StopReason, frames: readonly OwnFrame[], exception?: string): void {
    stepping = undefined;
    pausing = false;
    stopped = { reason, frames, exception };
    onStopped(stopped);
  }

  /** Goes on where nobody asked to stop. */
  const goOn = (how: "resume" | Step = "resume"): Promise<unknown> => inspector.post(`Debugger.${how}`);

  /** Before a script runs for the first time, its breakpoints are set. */
  async function prepare(scriptId: string): Promise<void> {
    const script = await scripts.own(scriptId);
    if (script) await onScript(script);
  }

  /** Where a step or a pause has come to; goes further where that is no place of the reader's code. */
  async function arrive(frames: readonly OwnFrame[], isTop: boolean): Promise<void> {
    // The cell of the step has ended, and something else runs.
    if (stepping && stepping.run !== currentRun()) {
      stepping = undefined;
      return void (await goOn());
    }
    const [top] = frames;
    const line = isTop ? await lineOf(top) : undefined;
    const tired = (stepping?.taken ?? 0) >= MAX_STEPS;
    if (stepping) stepping.taken++;
    if (!top || (line === undefined && tired)) return void (await goOn());
    if (!isTop) return void (await goOn("stepOut"));
    // Before a script's first line only its function is made, which is called later.
    if (line === undefined)
      return void (await goOn(top.frame.location.lineNumber < 0 ? "stepInto" : "stepOver"));
    const from = stepping?.at;
    const isSameLine =
      from?.line === line && from.scriptId === top.script.scriptId && from.callers === frames.length - 1;
    if (stepping && stepping.step !== "stepOut" && isSameLine && !tired)
      return void (await goOn(stepping.step));
    stop(pausing && !stepping ? "pause" : "step", frames);
  }

  /** The scripts that are about to run for the first time, which V8 tells in one event with other reasons to pause. */
  function newScripts({ reason, data }: PausedEvent): string[] {
    if (reason === "instrumentation") return data?.scriptId ? [data.scriptId] : [];
    if (reason !== "ambiguous") return [];
    return (data?.reasons ?? []).flatMap(({ reason, auxData }) =>
      reason === "instrumentation" && auxData?.scriptId ? [auxData.scriptId] : [],
    );
  }

  async function onPaused(event: PausedEvent): Promise<void> {
    for (const scriptId of newScripts(event)) await prepare(scriptId);
    if (event.reason === "instrumentation") return void (await goOn());
    const frames = await ownFrames(event.callFrames);
    const isTop = event.callFrames[0] === frames[0]?.frame;
    if (event.reason === "exception" || event.reason === "promiseRejection") {
      const { description, value } = (event.data ?? {}) as { description?: string; value?: unknown };
      if (!(await isWantedException(event, frames)))
        return void (await goOn(stepping ? stepping.step : "resume"));
      return stop("exception", frames, description ?? String(value));
    }
    if ((event.hitBreakpoints ?? []).length > 0 && isTop) return stop("breakpoint", frames);
    if (!stepping && !pausing && isTop) return stop("breakpoint", frames);
    return arrive(frames, isTop);
  }

  async function leave(): Promise<void> {
    stopped = undefined;
    await inspector.ask("clear");
    onContinued();
  }

  return {
    async onPaused(event) {
      try {
        await onPaused(event);
      } catch (error) {
        // Whatever went wrong, the program must not stay paused where no reader knows of it.
        if (!stopped) await goOn().catch(() => {});
        throw error;
      }
    },
    stopped: () => stopped,
    async resume() {
      if (!stopped) return;
      await leave();
      await goOn();
    },
    async step(step) {
      if (!stopped) throw new Error(`${step}: the program is running; it must be paused`);
      const { frames } = stopped;
      const line = await lineOf(frames[0]);
      const at =
        line === undefined
          ? undefined
          : { line, scriptId: frames[0].script.scriptId, callers: frames.length - 1 };
      stepping = { step, run: currentRun(), at, taken: 0 };
      await leave();
      await goOn(step);
    },
    async pause() {
      if (stopped) return;
      pausing = true;
      await inspector.post("Debugger.pause");
    },
    async setExceptionFilters(wanted) {
      filters = new Set(wanted);
      // Callers are costly to note at each await, and tell only what is caught.
      const maxDepth = filters.has("uncaught") && !filters.has("all") ? ASYNC_DEPTH : 0;
      await inspector.post("Debugger.setAsyncCallStackDepth", { maxDepth });
      await inspector.post("Debugger.setPauseOnExceptions", { state: filters.size > 0 ? "all" : "none" });
    },
    reset() {
      stopped = undefined;
      stepping = undefined;
      pausing = false;
      filters = new Set();
      texts.clear();
    },
  };
}
