/** What is done on each command of a front end. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { pathToFileURL } from "node:url";
import type { MimeBundle } from "../display/sink.ts";
import { packageRoot } from "../install/build.ts";
import type { Json } from "../protocol/message.ts";
import { number, optionalNumber, source, text, wantedBreakpoints } from "./arguments.ts";
import type { Breakpoints } from "./breakpoints.ts";
import { CAPABILITIES, type DapSource, type DapVariable, THREAD } from "./dap.ts";
import type { Evaluated } from "./debuggee.ts";
import type { Execution } from "./execution.ts";
import type { Frames } from "./frames.ts";
import type { Inspector } from "./inspector.ts";
import { CELL_SUFFIX, cellPath, cellPrefix, HASH_METHOD, HASH_SEED } from "./paths.ts";
import type { Scripts } from "./scripts.ts";

/** What the handlers of requests share. */
export interface Session {
  readonly inspector: Inspector;
  readonly scripts: Scripts;
  readonly breakpoints: Breakpoints;
  readonly execution: Execution;
  readonly frames: Frames;
  /** The codes of cells that front ends have told of, by their paths. */
  readonly cells: Map<string, string>;
  /** Whether a front end has begun to debug. */
  isStarted: boolean;
  /** Whether the inspector tells of scripts and pauses. */
  isAttached: boolean;
  justMyCode: boolean;
  /** Whether the front end gets the types of variables: JupyterLab's tree shows a type in place of the value. */
  hasTypes: boolean;
  event(event: string, body?: Json): void;
}

type Handler = (session: Session, args: Json) => unknown;

/** Which scripts V8 passes over: those of Node, of the kernel and its package, and of other packages. */
const kernelUrl = pathToFileURL(`${packageRoot()}/dist/`).href;
const escaped = (part: string): string => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
const COMPILER = "/node_modules/(typescript/lib|tslab/dist)/";
const KERNEL = [`^${escaped(kernelUrl)}`, "^node:", "^evalmachine\\.", "/notebook\\.mjs$", COMPILER];
const PACKAGES = ["/node_modules/"];

export const isOwnFile = (url: string, justMyCode: boolean): boolean =>
  /^(file:|\/|[A-Za-z]:\\)/.test(url) &&
  ![...KERNEL, ...(justMyCode ? PACKAGES : [])].some((pattern) => new RegExp(pattern).test(url));

/** Tells V8 which scripts to pass over; where exceptions of packages are of interest, those are left to `Execution`. */
async function passOver({ inspector, justMyCode }: Session, exceptions: boolean): Promise<void> {
  const patterns = exceptions || !justMyCode ? KERNEL : [...KERNEL, ...PACKAGES];
  await inspector.post("Debugger.setBlackboxPatterns", { patterns });
}

async function attach(session: Session, { justMyCode = true }: Json): Promise<void> {
  const { inspector, breakpoints } = session;
  session.justMyCode = justMyCode !== false;
  if (!session.isAttached) {
    session.isAttached = true;
    await inspector.post("Debugger.enable");
    await passOver(session, false);
    await inspector.post("Debugger.setInstrumentationBreakpoint", {
      instrumentation: "beforeScriptWithSourceMapExecution",
    });
    await breakpoints.restore();
  }
  session.event("initialized");
}

async function disconnect(session: Session): Promise<void> {
  const { inspector, scripts, breakpoints, execution } = session;
  const wasAttached = session.isAttached;
  session.isStarted = false;
  session.isAttached = false;
  breakpoints.clear();
  execution.reset();
  // Which removes all breakpoints, and lets a paused program go on.
  await inspector.post("Debugger.disable");
  scripts.clear();
  if (wasAttached) session.event("terminated");
}

async function sourceText(session: Session, { path }: DapSource): Promise<string> {
  const dumped = session.cells.get(path);
  if (dumped !== undefined) return dumped;
  const script = (await session.scripts.of(path)).at(-1);
  if (script && script.source !== null) return session.inspector.ask("textOf", script.source);
  try {
    return readFileSync(path, "utf8");
  } catch {
    throw new Error(`source.path: nothing is known of ${path}`);
  }
}

async function setExceptionBreakpoints(session: Session, { filters = [] }: Json): Promise<Json> {
  if (!Array.isArray(filters)) throw new Error(`filters: a list expected, got ${JSON.stringify(filters)}`);
  const known: string[] = CAPABILITIES.exceptionBreakpointFilters.map(({ filter }) => filter);
  const wanted = filters.filter((filter) => known.includes(filter));
  await session.execution.setExceptionFilters(wanted);
  await passOver(session, wanted.length > 0);
  return { breakpoints: filters.map((filter) => ({ verified: known.includes(filter) })) };
}

function exceptionInfo({ execution }: Session): Json {
  const { exception } = execution.stopped() ?? {};
  if (exception === undefined) throw new Error("exceptionInfo: the program has not stopped at an exception");
  const [first] = exception.split("\n", 1);
  return {
    exceptionId: /^\w+/.exec(first)?.[0] ?? "Thrown",
    description: first,
    breakMode: "always",
    details: { stackTrace: exception },
  };
}

async function modules({ scripts }: Session): Promise<Json> {
  const paths = new Set(
    (await scripts.all()).filter(({ name, path }) => name === path).map(({ path }) => path),
  );
  const listed = [...paths].map((path, id) => ({ id, name: basename(path), path }));
  return { modules: listed, totalModules: listed.length };
}

async function copyToGlobals({ frames }: Session, args: Json): Promise<Json> {
  const [name, expression] = [text(args, "dstVariableName"), text(args, "srcVariableName")];
  const copied = await frames.inPlace<Evaluated>(
    "copy",
    optionalNumber(args, "srcFrameId"),
    expression,
    name,
  );
  if ("error" in copied) throw new Error(copied.error);
  return { value: copied.variable.value, type: copied.variable.type, variablesReference: 0 };
}

async function richVariable({ frames, execution }: Session, args: Json): Promise<Json> {
  const frameId = execution.stopped() ? optionalNumber(args, "frameId") : undefined;
  const data = await frames.inPlace<MimeBundle>(
    "show",
    frameId,
    text(args, "variableName"),
    frameId === undefined,
  );
  return { data, metadata: {} };
}

async function evaluate({ frames }: Session, args: Json): Promise<Json> {
  const { value, type, variablesReference, indexedVariables, namedVariables } = await frames.evaluate(
    text(args, "expression"),
    optionalNumber(args, "frameId"),
  );
  return { result: value, type, variablesReference, indexedVariables, namedVariables };
}

const listed = ({ hasTypes }: Session, variables: DapVariable[]): object[] =>
  hasTypes ? variables : variables.map(({ type, ...rest }) => rest);

export const ALL_THREADS = { threadId: THREAD.id, allThreadsContinued: true };

/** Also answered where nobody debugs. */
const ALWAYS: Record<string, Handler> = {
  initialize(session, { clientID }) {
    session.isStarted = true;
    session.hasTypes = clientID !== "jupyterlab";
    return CAPABILITIES;
  },
  debugInfo: ({ isStarted, breakpoints, execution }) => ({
    isStarted,
    hashMethod: HASH_METHOD,
    hashSeed: HASH_SEED,
    tmpFilePrefix: cellPrefix(),
    tmpFileSuffix: CELL_SUFFIX,
    breakpoints: breakpoints.list(),
    stoppedThreads: execution.stopped() ? [THREAD.id] : [],
    richRendering: true,
    exceptionPaths: [],
    copyToGlobals: true,
  }),
  dumpCell({ cells }, args) {
    const code = text(args, "code");
    const sourcePath = cellPath(code);
    cells.set(sourcePath, code);
    return { sourcePath };
  },
  inspectVariables: async (session) => ({ variables: listed(session, await session.frames.notebook()) }),
  variables: async (session, args) => {
    const [reference, start, count] = [
      number(args, "variablesReference"),
      optionalNumber(args, "start"),
      optionalNumber(args, "count"),
    ];
    return { variables: listed(session, await session.inspector.ask("parts", reference, start, count)) };
  },
  richInspectVariables: richVariable,
  source: async (session, args) => ({
    content: await sourceText(session, source(args)),
    mimeType: "text/typescript",
  }),
  modules,
  threads: () => ({ threads: [THREAD] }),
  disconnect,
  terminate: disconnect,
};

/** Answered once a front end debugs. */
const STARTED: Record<string, Handler> = {
  attach,
  configurationDone() {},
  setBreakpoints: async ({ breakpoints }, args) => ({
    breakpoints: await breakpoints.set(source(args), wantedBreakpoints(args)),
  }),
  setExceptionBreakpoints,
  exceptionInfo,
  stackTrace: ({ frames }, args) =>
    frames.stack(optionalNumber(args, "startFrame"), optionalNumber(args, "levels")),
  scopes: async ({ frames }, args) => ({ scopes: await frames.scopes(number(args, "frameId")) }),
  evaluate,
  setVariable: ({ frames }, args) =>
    frames.assign(number(args, "variablesReference"), text(args, "name"), text(args, "value")),
  copyToGlobals,
  continue: async ({ execution }) => {
    await execution.resume();
    return ALL_THREADS;
  },
  next: ({ execution }) => execution.step("stepOver"),
  stepIn: ({ execution }) => execution.step("stepInto"),
  stepOut: ({ execution }) => execution.step("stepOut"),
  pause: ({ execution }) => execution.pause(),
};

export function handlerOf({ isStarted }: Session, command: string): Handler {
  if (Object.hasOwn(ALWAYS, command)) return ALWAYS[command];
  if (!Object.hasOwn(STARTED, command))
    throw new Error(`this kernel's debugger does not know the command ${command}`);
  if (!isStarted) throw new Error(`${command}: the debugger has not been started by initialize`);
  return STARTED[command];
}
