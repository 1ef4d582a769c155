/** Node's inspector of the main thread, used from another thread, since a paused thread can do nothing itself. */
import { Session } from "node:inspector";
import { setTimeout as sleep } from "node:timers/promises";
import { DEBUGGEE, type Debuggee, type InPlaceMethod } from "./debuggee.ts";

export interface Location {
  readonly scriptId: string;
  readonly lineNumber: number;
  readonly columnNumber?: number;
}

export interface RemoteObject {
  readonly objectId?: string;
  readonly value?: unknown;
  readonly description?: string;
  readonly className?: string;
}

export interface CallFrame {
  readonly callFrameId: string;
  readonly functionName: string;
  readonly functionLocation?: Location;
  readonly location: Location;
  readonly scopeChain: { readonly type: string; readonly object: RemoteObject }[];
  readonly returnValue?: RemoteObject;
}

export interface AsyncStack {
  readonly callFrames: {
    readonly scriptId: string;
    readonly lineNumber: number;
    readonly columnNumber: number;
  }[];
  readonly parent?: AsyncStack;
}

export interface ParsedScript {
  readonly scriptId: string;
  readonly url: string;
  readonly sourceMapURL?: string;
}

export interface PausedEvent {
  readonly callFrames: CallFrame[];
  readonly reason: string;
  readonly data?: {
    readonly scriptId?: string;
    readonly reasons?: { reason: string; auxData?: { scriptId?: string } }[];
  } & Record<string, unknown>;
  readonly hitBreakpoints?: string[];
  readonly asyncStackTrace?: AsyncStack;
}

interface Result {
  readonly result: RemoteObject;
  readonly exceptionDetails?: { readonly text: string; readonly exception?: RemoteObject };
}

export interface Inspector {
  post<T = unknown>(method: string, params?: object): Promise<T>;
  /** Asks the debuggee. */
  ask<K extends keyof Debuggee>(
    method: K,
    ...args: Parameters<Debuggee[K]>
  ): Promise<ReturnType<Debuggee[K]>>;
  /** Asks it with code to evaluate in a frame; without one, in no place. */
  askInPlace<T>(method: InPlaceMethod, place: Place, code: string, ...rest: unknown[]): Promise<T>;
  /** Refers to the variables of a frame's scopes. */
  scope(source: number | null, scopes: readonly RemoteObject[]): Promise<number>;
  close(): void;
}

export interface Place {
  /** The frame; without it the code is evaluated in none, while the program goes on. */
  readonly frame?: string;
  /** The source of the frame's script. */
  readonly source: number | null;
}

export interface InspectorEvents {
  onScript(script: ParsedScript): void;
  onPaused(event: PausedEvent): void;
}

/** How long what a reader has evaluated may take, in milliseconds. */
const EVALUATION = 10_000;
/** How long the compiler may be at work, which nothing may be asked in the midst of, in milliseconds. */
const COMPILATION = 60_000;
/** How often is looked whether it is done, in milliseconds. */
const LOOK_EVERY = 10;
/** What an expression is worth while the compiler is at work. */
const COMPILING = "ditlab.kernel.compiling";

const debuggee = `globalThis[Symbol.for(${JSON.stringify(DEBUGGEE)})]`;

/** An expression that asks the debuggee with code to evaluate in its place. */
export const inPlaceCall = (method: InPlaceMethod, source: number | null, code: string, ...rest: unknown[]) =>
  `${debuggee}.${method}(${[
    ...[JSON.stringify(source), JSON.stringify(code), "(__code) => eval(__code)"],
    ...rest.map((value) => JSON.stringify(value)),
  ].join(", ")})`;

function resultOf<T>({ result, exceptionDetails }: Result): T {
  if (exceptionDetails)
    throw new Error(exceptionDetails.exception?.description?.split("\n")[0] ?? exceptionDetails.text);
  return result.value as T;
}

export function openInspector({ onScript, onPaused }: InspectorEvents): Inspector {
  const session = new Session();
  session.connectToMainThread();
  session.on("Debugger.scriptParsed", ({ params }) => onScript(params));
  session.on("Debugger.paused", ({ params }) => onPaused(params as PausedEvent));

  const post = <T>(method: string, params: object = {}): Promise<T> =>
    new Promise((resolve, reject) => {
      session.post(method, params, (error, result) =>
        error ? reject(new Error(`${method}: ${error.message}`)) : resolve(result as T),
      );
    });
  const quiet = { silent: true, returnByValue: true };

  /** The value of an expression in no place, wherever the thread is but in the compiler. */
  async function evaluate<T>(expression: string, options: object = {}): Promise<T> {
    const guarded = `${debuggee}.isCompiling() ? ${JSON.stringify(COMPILING)} : ${expression}`;
    for (const started = performance.now(); performance.now() - started < COMPILATION; ) {
      const value = resultOf<T | typeof COMPILING>(
        await post<Result>("Runtime.evaluate", { ...quiet, ...options, expression: guarded }),
      );
      if (value !== COMPILING) return value;
      await sleep(LOOK_EVERY);
    }
    throw new Error("the compiler is at work");
  }

  return {
    post,
    ask: async (method, ...args) => {
      const list = args.map((value) => JSON.stringify(value) ?? "undefined").join(", ");
      return evaluate(`${debuggee}.${method}(${list})`);
    },
    askInPlace: async (method, { frame, source }, code, ...rest) => {
      const expression = inPlaceCall(method, source, code, ...rest);
      if (frame === undefined) return evaluate(expression, { timeout: EVALUATION, awaitPromise: true });
      // What the evaluated code calls must not pause again within the pause.
      await post("Debugger.setSkipAllPauses", { skip: true });
      try {
        return resultOf(
          await post<Result>("Debugger.evaluateOnCallFrame", {
            ...quiet,
            ...{ expression, timeout: EVALUATION, callFrameId: frame },
          }),
        );
      } finally {
        await post("Debugger.setSkipAllPauses", { skip: false });
      }
    },
    scope: async (source, scopes) => {
      const [{ objectId }] = scopes;
      return resultOf(
        await post<Result>("Runtime.callFunctionOn", {
          ...quiet,
          objectId,
          functionDeclaration: `function (...all) { return ${debuggee}.scope(...all) }`,
          arguments: [{ value: source }, ...scopes.map(({ objectId }) => ({ objectId }))],
        }),
      );
    },
    close: () => session.disconnect(),
  };
}
