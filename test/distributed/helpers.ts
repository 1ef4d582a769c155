/** Processes under the launchers of both MPI libraries. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Outcome, outcomeOf } from "../cli/helpers.ts";

export const root = fileURLToPath(new URL("../..", import.meta.url));

export interface Launcher {
  name: "openmpi" | "mpich";
  /** Debian's name of the command, which both packages may have beside each other. */
  command: string;
  options: readonly string[];
  isInstalled: boolean;
}

const launcher = (name: Launcher["name"], options: readonly string[]): Launcher => {
  const command = `/usr/bin/mpirun.${name}`;
  return { name, command, options, isInstalled: existsSync(command) };
};

export const LAUNCHERS: readonly Launcher[] = [
  // More processes than processors, and a test in a container may be root.
  launcher("openmpi", ["--oversubscribe", "--allow-run-as-root", "--bind-to", "none"]),
  launcher("mpich", []),
];

/** The limit in seconds after which a launch has hung. */
const LIMIT = 240;

/** Starts a program of Node as so many ranks; `during` may act on the processes. */
export async function launch(
  { command, options }: Launcher,
  ranks: number,
  args: readonly string[],
  during?: (child: ChildProcess) => Promise<void>,
  env: Record<string, string> = {},
): Promise<Outcome> {
  const child = spawn(
    "timeout",
    ["-k", "5", String(LIMIT), command, ...options, "-n", String(ranks), process.execPath, ...args],
    { cwd: root, env: { ...process.env, NO_COLOR: "1", DITLAB_THREADS: "1", ...env } },
  );
  const outcome = outcomeOf(child);
  const early = outcome.then(({ stdout, stderr }) => {
    throw new Error(`${command} ended early: ${stdout}${stderr}`);
  });
  early.catch(() => {});
  if (during) await Promise.race([during(child), early]);
  return outcome;
}

/** Runs a script of this folder as so many ranks. @returns what each rank printed, as lines of JSON, by rank */
export async function ranksOf<T extends { rank: number }>(
  engine: Launcher,
  ranks: number,
  script: string,
  given: unknown = {},
  env: Record<string, string> = {},
): Promise<T[]> {
  const { code, stdout, stderr } = await launch(
    engine,
    ranks,
    [
      ...["--import", "tsx", "--import", "./test/setup.ts"],
      join("test/distributed", script),
      JSON.stringify(given),
    ],
    undefined,
    env,
  );
  if (code !== 0) throw new Error(`${engine.name} ended with ${code}: ${stdout}${stderr}`);
  return linesOf<T>(stdout).sort((a, b) => a.rank - b.rank);
}

/** What ranks said in lines of JSON, in the order that they came. */
export const linesOf = <T>(text: string): T[] =>
  text
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as T);
