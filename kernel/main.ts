/** A kernel's process: `node main.js <connection file>`, started by a Jupyter front end in the notebook's folder. */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import { installCommands } from "./commands/run.ts";
import { installDebuggee } from "./debugger/debuggee.ts";
import { setSink } from "./display/sink.ts";
import { createEngine } from "./engine/engine.ts";
import { mapStacks } from "./engine/errors.ts";
import { historyFolder, openHistory } from "./history/history.ts";
import { packageVersion } from "./install/build.ts";
import { createKernel, type Kernel } from "./kernel.ts";
import { openSockets } from "./protocol/channel.ts";
import { readConnection } from "./protocol/connection.ts";
import { type Json, PROTOCOL_VERSION } from "./protocol/message.ts";
import { runningCell } from "./runtime/cell.ts";
import { captureChildProcesses } from "./runtime/children.ts";
import { isInterrupt, stop, stopForgotten, trackTimers, watchFlags } from "./runtime/interrupt.ts";
import { collectGarbage } from "./runtime/memory.ts";
import { passSignals } from "./runtime/signals.ts";
import { captureStandardInput } from "./runtime/stdin.ts";
import { captureProcessStreams, createStreams } from "./runtime/streams.ts";
import { tslabModule } from "./runtime/tslab-api.ts";

function kernelInfo(): Json {
  const version = packageVersion();
  const typescript = JSON.parse(
    readFileSync(fileURLToPath(import.meta.resolve("typescript/package.json")), "utf8"),
  );
  return {
    status: "ok",
    protocol_version: PROTOCOL_VERSION,
    implementation: "ditlab",
    implementation_version: version,
    language_info: {
      name: "typescript",
      version: typescript.version,
      mimetype: "text/typescript",
      file_extension: ".ts",
      pygments_lexer: "typescript",
      codemirror_mode: { name: "javascript", typescript: true },
      nbconvert_exporter: "script",
    },
    banner: `ditlab ${version}: TypeScript ${typescript.version} on Node.js ${process.version}`,
    help_links: [],
    debugger: true,
    supported_features: ["debugger"],
  };
}

/** Errors that nothing awaited: told where the cell prints, and the kernel goes on. */
function reportLooseErrors(): void {
  const report = (origin: string) => (error: unknown) => {
    if (isInterrupt(error)) return;
    process.stderr.write(`${origin}: ${inspect(error)}\n`);
  };
  process.on("uncaughtException", report("Uncaught"));
  process.on("unhandledRejection", report("Uncaught (in promise)"));
  // Node's warnings go to the server's log rather than into somebody's notebook.
  process.removeAllListeners("warning");
}

/**
 * How long nothing is asked before the compiler is made ready, which holds up answers, in milliseconds: a console asks
 * for the history as soon as it knows the kernel, waits a second for it, and takes what comes later for other answers.
 */
const QUIET = 300;

/** How often a cell is compiled for practice before the first ones come, and the milliseconds between two times. */
const PRACTICES = 48;
const BETWEEN = 8;

async function main(): Promise<void> {
  const [connectionFile] = process.argv.slice(2);
  if (!connectionFile)
    throw new Error("usage: node main.js <connection file>; a Jupyter front end starts it");
  const connection = await readConnection(connectionFile);
  const session = randomUUID();
  const info = kernelInfo();
  let kernel: Kernel | undefined;
  let asked = 0;
  const early: Parameters<Kernel["onMessage"]>[] = [];

  // The sockets' thread starts while this one loads the compiler.
  const opening = openSockets(
    { connection, session, kernelInfo: info },
    {
      onMessage(...message) {
        asked = performance.now();
        if (kernel) kernel.onMessage(...message);
        else early.push(message);
      },
      onInterrupt(run) {
        const cell = runningCell();
        if (run === 0 && !cell) stopForgotten();
        if (cell?.run === run) stop(cell);
      },
    },
  );
  opening.catch(() => {});
  const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".d.ts";
  const globals = fileURLToPath(new URL(`display/globals${extension}`, import.meta.url));
  mapStacks();
  const engine = createEngine({
    folder: process.cwd(),
    globals: [globals],
    provided: new Map([["tslab", tslabModule]]),
  });
  const sockets = await opening;
  watchFlags(sockets.flags);

  const { toMime } = await import("./display/mime.ts");
  installDebuggee(engine, toMime);
  const { installGlobals } = await import("./display/globals.ts");
  const whenIdle = (milliseconds: number, body: () => void) =>
    setTimeout(() => (kernel?.busy() ? whenIdle(milliseconds, body) : body()), milliseconds).unref();
  kernel = createKernel({
    engine,
    history: openHistory(historyFolder(process.env)),
    sockets,
    session,
    kernelInfo: info,
    render: toMime,
    stopClock: installCommands(engine).stopClock,
    onExecuted() {
      collectGarbage();
      if (engine.imported) whenIdle(200, () => engine.imported && engine.warm());
    },
    exit() {
      void sockets.close().then(() => {
        engine.close();
        // An orderly exit waits for the cells' own handles, and ZeroMQ's thread aborts it.
        process.kill(process.pid, "SIGKILL");
      });
    },
  });
  const streams = createStreams(kernel.publishStream, kernel.followStream);
  kernel.streams(streams);
  setSink(kernel.sink);
  captureProcessStreams(streams);
  captureChildProcesses(streams);
  captureStandardInput(kernel.input);
  installGlobals(kernel);
  reportLooseErrors();
  passSignals();
  process.exit = ((code?: number) => {
    throw new Error(
      `process.exit(${code ?? ""}) would end the kernel; restart it from the front end instead`,
    );
  }) as typeof process.exit;
  // What a notebook keeps must not depend on the terminal that ran it; a cell may set it.
  delete process.env.FORCE_COLOR;
  trackTimers();
  for (const message of early) kernel.onMessage(...message);
  asked = performance.now();
  const warmWhenQuiet = () => {
    const left = asked + QUIET - performance.now();
    if (left > 0) return whenIdle(left, warmWhenQuiet);
    engine.warm();
    practise(PRACTICES);
  };
  const practise = (times: number) => {
    if (times === 0) return;
    engine.practise();
    whenIdle(BETWEEN, () => practise(times - 1));
  };
  warmWhenQuiet();
  whenIdle(3000, () => engine.saveCaches());
}

main().catch((error: Error) => {
  process.stderr.write(`ditlab kernel: ${error.message}\n`);
  process.exitCode = 1;
  process.kill(process.pid, "SIGKILL");
});
