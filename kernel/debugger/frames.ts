/** What a front end asks of a paused program, and of the notebook's variables while it runs. */

import { basename } from "node:path";
import type { DapFrame, DapScope, DapVariable } from "./dap.ts";
import type { Evaluated, InPlaceMethod } from "./debuggee.ts";
import type { Execution, OwnFrame, Stopped } from "./execution.ts";
import type { Inspector, Place } from "./inspector.ts";
import type { Scripts } from "./scripts.ts";

export interface Frames {
  stack(start?: number, levels?: number): Promise<{ stackFrames: DapFrame[]; totalFrames: number }>;
  scopes(frameId: number): Promise<DapScope[]>;
  /** The variables of the notebook, of which the front end keeps no references. */
  notebook(): Promise<DapVariable[]>;
  /** Evaluates code in a frame; without one, in the notebook. */
  evaluate(code: string, frameId?: number): Promise<DapVariable>;
  /** Asks the debuggee with code that is evaluated there. */
  inPlace<T>(
    method: InPlaceMethod,
    frameId: number | undefined,
    code: string,
    ...rest: unknown[]
  ): Promise<T>;
  assign(reference: number, name: string, value: string): Promise<DapVariable>;
}

/** Scopes by what the reader calls them, the innermost first. */
const LOCALS = new Set(["local", "block", "catch", "with", "eval"]);

/** Whether a frame is the code of a cell or module itself: its function begins on the line before the code. */
const isBody = ({ functionLocation }: OwnFrame["frame"]): boolean => (functionLocation?.lineNumber ?? 0) < 0;

export function createFrames(inspector: Inspector, scripts: Scripts, execution: Execution): Frames {
  /** Frames are numbered anew at each stop, so that an old number is no new frame. */
  let numbered: { stopped: Stopped; first: number } | undefined;
  /** The frame whose scope a reference is, for the time of a stop. */
  const frameOfScope = new Map<number, number>();

  function firstNumber(stopped: Stopped): number {
    if (numbered?.stopped !== stopped) {
      numbered = { stopped, first: numbered ? numbered.first + numbered.stopped.frames.length : 1 };
      frameOfScope.clear();
    }
    return numbered.first;
  }

  function frameOf(id: number): OwnFrame {
    const stopped = execution.stopped();
    const found = stopped?.frames[id - firstNumber(stopped)];
    if (!found) throw new Error(`frameId: ${id} is no frame of a paused program`);
    return found;
  }

  const placeOf = (frameId?: number): Place => {
    if (frameId === undefined || !execution.stopped()) return { source: null };
    const { frame, script } = frameOf(frameId);
    return { frame: frame.callFrameId, source: script.source };
  };

  function resultOf(evaluated: Evaluated): DapVariable {
    if ("error" in evaluated) throw new Error(evaluated.error);
    return evaluated.variable;
  }
  const inPlace: Frames["inPlace"] = (method, frameId, code, ...rest) =>
    inspector.askInPlace(method, placeOf(frameId), code, ...rest);

  async function stack(start = 0, levels = 0): Promise<{ stackFrames: DapFrame[]; totalFrames: number }> {
    const stopped = execution.stopped();
    if (!stopped) return { stackFrames: [], totalFrames: 0 };
    const first = firstNumber(stopped);
    const { frames } = stopped;
    const wanted = frames.slice(start, levels > 0 ? start + levels : undefined);
    const stackFrames = await Promise.all(
      wanted.map(async ({ frame, script }, i): Promise<DapFrame> => {
        const [place] = await scripts.places(script, [frame.location]);
        const name = script.name.startsWith("cell[") ? script.name : basename(script.name);
        return {
          id: first + start + i,
          name: frame.functionName || (isBody(frame) ? name : "(anonymous)"),
          source: { name, path: script.path },
          line: place?.line ?? 0,
          column: place?.column ?? 0,
        };
      }),
    );
    return { stackFrames, totalFrames: frames.length };
  }

  /** The objects that hold the variables of the scopes of some kinds. */
  const objectsOf = ({ frame }: OwnFrame, kinds: (type: string) => boolean) =>
    frame.scopeChain.filter(({ type, object }) => kinds(type) && object.objectId).map(({ object }) => object);

  async function scopes(frameId: number): Promise<DapScope[]> {
    const own = frameOf(frameId);
    const { source } = own.script;
    const listed: DapScope[] = [];
    const list = (name: string, variablesReference: number, expensive = false) => {
      frameOfScope.set(variablesReference, frameId);
      listed.push({ name, variablesReference, expensive });
    };
    const locals = objectsOf(own, (type) => LOCALS.has(type));
    if (locals.length > 0) list("Locals", await inspector.scope(source, locals));
    const closure = objectsOf(own, (type) => type === "closure" || type === "module");
    if (closure.length > 0) {
      const reference = await inspector.scope(source, closure);
      if ((await inspector.ask("parts", reference)).length > 0) list("Closure", reference);
    }
    if (source !== null && (await inspector.ask("isModule", source)))
      list("Module", await inspector.ask("shared", source));
    // As JupyterLab calls them, which offers to copy variables of all other scopes there.
    list("Globals", await inspector.ask("shared", null));
    return listed;
  }

  return {
    stack,
    scopes,
    inPlace,
    notebook: async () => inspector.ask("parts", await inspector.ask("shared", null)),
    evaluate: async (code, frameId) => resultOf(await inPlace<Evaluated>("evaluate", frameId, code)),
    async assign(reference, name, value) {
      const scope = frameOfScope.get(reference);
      if (scope !== undefined)
        return resultOf(await inPlace<Evaluated>("evaluate", scope, `${name} = (${value}\n)`));
      const stopped = execution.stopped();
      const frameId = stopped && firstNumber(stopped);
      return resultOf(await inPlace<Evaluated>("assign", frameId, value, reference, name));
    },
  };
}
