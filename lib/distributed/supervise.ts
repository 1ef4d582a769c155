/**
 * A rank of the command is two processes: this small one, which the launcher started, and the one that computes. When that one
 * is killed, as a system does that runs out of memory, somebody is left to say which it was; MPICH's launcher kills all
 * others at once, and nobody else can.
 */
import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { writeSync } from "node:fs";
import { availableParallelism, cpus, hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { newestCheckpoint } from "../train/checkpoint-files.ts";
import { togetherness } from "./commands.ts";
import { type Launch, launchOf, threadsFor } from "./launch.ts";

/** What the process that computes tells this one. */
export type RankMessage =
  | { joining: number }
  | { joined: true }
  | { folder: string }
  | { failed: string; turn: Turn };

/** When a rank says why it ends all: others, for whom the same is wrong, are mostly gone before their turn. */
export type Turn = "at once" | "later" | "never";

/** In the environment of the process that computes. */
export const SUPERVISED = "DITLAB_RANK_PROCESS";

/** Whether this process is alone, or of several ranks the first one. */
export const speaksForAll = (): boolean => !process.env[SUPERVISED] || launchOf()?.rank === 0;

/** Milliseconds until then. */
const TURNS: Readonly<Record<Turn, number>> = { "at once": 0, later: 2000, never: 5000 };

/** Rank 0 speaks first. */
export const ordinaryTurn = ({ rank }: Pick<Launch, "rank">): Turn => (rank === 0 ? "at once" : "later");

/** What is said of a rank that a signal ended. */
export const killed = ({ rank, size }: Launch, signal: string): string =>
  `rank ${rank} of ${size} on ${hostname()} was ended by ${signal}${signal === "SIGKILL" ? ", as a system does that runs out of memory" : ""}`;

/** Says why all ranks end, and where they can go on from; at once, since a launcher may end this process next. */
export function sayEnd(what: string, folder: string | undefined): void {
  const told = /last good checkpoint/.test(what) || folder === undefined;
  const last = told ? "" : `; last good checkpoint: ${newestCheckpoint(folder)?.path ?? "none yet"}`;
  try {
    writeSync(2, `\nditlab: ${what}${last}\n`);
  } catch {
    // Nobody listens any more.
  }
}

/**
 * Starts this command again as the process that computes, and ends as it ends. Returns where there is nothing to do, and ends
 * where several processes would do the same work into the same files.
 */
export async function superviseRank(): Promise<void> {
  const { command, kind } = togetherness(process.argv.slice(2));
  if (process.env[SUPERVISED] || kind === "separate") return;
  const launch = launchOf();
  if (!launch) return;
  if (kind === "refused") return refuse(command, launch);
  const child = startRank(launch);
  let folder: string | undefined;
  let failure: string | undefined;
  const say = (what: string): void => sayEnd(what, folder);
  const fail = (what: string, turn: Turn): void => {
    failure = what;
    setTimeout(() => {
      if (turn !== "never") say(what);
      // Threads that wait for other ranks would keep it.
      child.kill("SIGKILL");
    }, TURNS[turn]);
  };
  let joining: NodeJS.Timeout | undefined;
  child.on("message", (message: RankMessage) => {
    if ("joining" in message) {
      const late = `not all of ${launch.size} ranks have begun within ${message.joining} s`;
      joining = setTimeout(() => fail(late, ordinaryTurn(launch)), 1000 * message.joining);
    } else if ("joined" in message) clearTimeout(joining);
    else if ("folder" in message) folder = message.folder;
    else fail(message.failed, message.turn);
  });
  let isTold = false;
  for (const signal of ["SIGINT", "SIGTERM", "SIGUSR2"] as const)
    process.on(signal, () => {
      isTold = true;
      child.kill(signal);
    });
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) =>
    child.on("exit", (...how) => resolve(how)),
  );
  // A launcher that ends all ranks has its reason elsewhere.
  if (failure === undefined && signal !== null && !isTold) {
    // Libraries end a process whose peer is gone, which is then another rank's story.
    if (signal !== "SIGKILL") await sleep(TURNS.later);
    say(killed(launch, signal));
  }
  process.exit(code ?? 1);
}

/** Says once that a command is not one for several processes. */
async function refuse(command: string, launch: Launch): Promise<never> {
  const what = `'${command}' is done by one process, but ${launch.size} were started; expected it without a launcher such as mpirun`;
  if (launch.rank === 0) sayEnd(what, undefined);
  // A launcher ends all when the first one fails, which is to be the one that speaks.
  else await sleep(TURNS.never);
  process.exit(1);
}

function startRank(launch: Launch): ChildProcess {
  const threads = threadsFor(launch, cpus().length, availableParallelism());
  return spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    env: { DITLAB_THREADS: String(threads), ...process.env, [SUPERVISED]: "1" },
    stdio: connections(),
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
