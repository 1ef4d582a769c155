/**
 * A rank of the command is two processes: this small one, which the launcher started, and the one that computes. When that one
 * is killed, as a system does that runs out of memory, somebody is left to say which it was; MPICH's launcher kills all
 * others at once, and nobody else can.
 */
import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { availableParallelism, cpus, hostname } from "node:os";
import { newestCheckpoint } from "../train/checkpoint-files.ts";
import { type Launch, launchOf, threadsFor } from "./launch.ts";

/** What the process that computes tells this one. */
export type RankMessage = { folder: string } | { failed: string; speaks: boolean };

/** In the environment of the process that computes. */
export const SUPERVISED = "DITLAB_RANK_PROCESS";

/** Milliseconds that other ranks' sentences wait for that of rank 0, which mostly says the same. */
const TURN = 2000;

/** Starts this command again as the process that computes, and ends as it ends. Returns where there is nothing to do. */
export async function superviseRank(): Promise<void> {
  if (process.env[SUPERVISED]) return;
  const launch = launchOf();
  if (!launch) return;
  const child = startRank(launch);
  let folder: string | undefined;
  let failure: string | undefined;
  const say = (what: string): void => {
    const checkpoint = folder === undefined ? undefined : newestCheckpoint(folder)?.path;
    const told = /last good checkpoint/.test(what) || folder === undefined;
    const last = told ? "" : `; last good checkpoint: ${checkpoint ?? "none yet"}`;
    process.stderr.write(`\nditlab: ${what}${last}\n`);
  };
  child.on("message", (message: RankMessage) => {
    if ("folder" in message) folder = message.folder;
    else {
      failure = message.failed;
      const end = (): void => {
        if (message.speaks) say(message.failed);
        // Threads that wait for other ranks would keep it.
        child.kill("SIGKILL");
      };
      if (launch.rank === 0 || !message.speaks) end();
      else setTimeout(end, TURN);
    }
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGUSR2"] as const)
    process.on(signal, () => child.kill(signal));
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) =>
    child.on("exit", (...how) => resolve(how)),
  );
  if (failure === undefined && signal !== null)
    say(
      `rank ${launch.rank} of ${launch.size} on ${hostname()} was ended by ${signal}${signal === "SIGKILL" ? ", as a system does that runs out of memory" : ""}`,
    );
  process.exit(code ?? 1);
}

function startRank(launch: Launch): ChildProcess {
  const threads = threadsFor(launch, cpus().length, availableParallelism());
  return spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    env: { DITLAB_THREADS: String(threads), ...process.env, [SUPERVISED]: "1" },
    stdio: connections(),
    // A Ctrl-C comes from here alone, and not twice.
    detached: true,
  });
}

/** The usual three, a line between the two processes, and that on which MPICH's launcher speaks with its processes. */
function connections(): StdioOptions {
  const launcher = Number(process.env.PMI_FD ?? Number.NaN);
  const line = launcher === 3 ? 4 : 3;
  const stdio: StdioOptions = ["inherit", "inherit", "inherit"];
  for (let i = 3; i <= Math.max(line, launcher || 0); i++) stdio[i] = i === line ? "ipc" : "ignore";
  if (launcher >= 0) stdio[launcher] = launcher;
  return stdio;
}
