/**
 * The debugger: answers a front end's requests on the sockets' thread, which goes on while the thread with the cells is
 * paused. Nothing of it is loaded before the first request.
 */
import { readFileSync } from "node:fs";
import type { Json } from "../protocol/message.ts";
import { createBreakpoints } from "./breakpoints.ts";
import { THREAD } from "./dap.ts";
import { createExecution, type Stopped } from "./execution.ts";
import { createFrames } from "./frames.ts";
import { openInspector } from "./inspector.ts";
import { ALL_THREADS, handlerOf, isOwnFile, type Session } from "./requests.ts";
import { createScripts } from "./scripts.ts";

export interface Adapter {
  /** Answers a request. Never rejects. */
  request(content: Json): Promise<Json>;
  isPaused(): boolean;
  /** Lets a paused program go on to its end without further pauses, until `body` has ended. */
  withoutPauses(body: () => Promise<void>): Promise<void>;
  close(): void;
}

export interface AdapterOptions {
  /** Sends an event to the front ends. */
  readonly publish: (event: Json) => void;
  /** The number of the run of a cell that goes on; 0 between cells. */
  readonly currentRun: () => number;
}

function stoppedBody({ reason, exception }: Stopped): Json {
  const told =
    exception === undefined ? {} : { description: "Paused on exception", text: exception.split("\n", 1)[0] };
  return { reason, threadId: THREAD.id, allThreadsStopped: true, ...told };
}

function createSession({ publish, currentRun }: AdapterOptions): Session {
  let seq = 0;
  const event = (name: string, body: Json = {}) => publish({ type: "event", seq: ++seq, event: name, body });
  const cells = new Map<string, string>();
  const inspector = openInspector({
    onScript: (script) => scripts.add(script),
    onPaused: (paused) =>
      void execution.onPaused(paused).catch((error: Error) => {
        // A session that ended meanwhile has no pauses.
        if (session.isAttached)
          process.stderr.write(`ditlab kernel: the debugger failed: ${error.message}\n`);
      }),
  });
  const scripts = createScripts({ inspector, isOwnFile: (url) => isOwnFile(url, session.justMyCode) });
  const breakpoints = createBreakpoints({
    inspector,
    scripts,
    textOf(path) {
      if (cells.has(path)) return cells.get(path);
      try {
        return readFileSync(path, "utf8");
      } catch {
        return undefined;
      }
    },
    isAttached: () => session.isAttached,
  });
  const execution = createExecution({
    inspector,
    scripts,
    currentRun,
    onScript: breakpoints.prepare,
    onStopped: (stopped) => event("stopped", stoppedBody(stopped)),
    onContinued: () => event("continued", ALL_THREADS),
  });
  const frames = createFrames(inspector, scripts, execution);
  const session: Session = {
    ...{ inspector, scripts, breakpoints, execution, frames, cells, event },
    ...{ isStarted: false, isAttached: false, justMyCode: true, hasTypes: true },
  };
  return session;
}

export function createAdapter(options: AdapterOptions): Adapter {
  const session = createSession(options);
  let seq = 0;

  async function request({ command, seq: request_seq, arguments: args }: Json): Promise<Json> {
    const response = { type: "response", seq: ++seq, request_seq, command };
    try {
      if (typeof command !== "string")
        throw new Error(`command: a text expected, got ${JSON.stringify(command)}`);
      const given = typeof args === "object" && args !== null ? (args as Json) : {};
      const body = (await handlerOf(session, command)(session, given)) ?? {};
      return { ...response, success: true, body };
    } catch (error) {
      return { ...response, success: false, message: (error as Error).message, body: {} };
    }
  }

  return {
    request,
    close: () => session.inspector.close(),
    isPaused: () => session.execution.stopped() !== undefined,
    async withoutPauses(body) {
      const { inspector, execution } = session;
      const skip = (skip: boolean) =>
        inspector.post("Debugger.setSkipAllPauses", { skip }).catch(() => {
          // The front end has ended the session meanwhile, and with it all pauses.
        });
      await skip(true);
      await execution.resume().catch(() => {});
      await body();
      await skip(false);
    },
  };
}
