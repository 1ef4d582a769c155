/** Workers for tests of the queue, as processes that can be killed. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export interface TestProcess {
  readonly child: ChildProcess;
  /** What it has said so far. */
  said(): string;
}

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

function start(args: readonly string[], cwd?: string, env: Record<string, string> = {}): TestProcess {
  const child = spawn(process.execPath, args, {
    ...{ cwd, env: { ...process.env, NO_COLOR: "1", ...env } },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let text = "";
  for (const stream of [child.stdout!, child.stderr!]) stream.on("data", (chunk) => (text += chunk));
  return { child, said: () => text };
}

/** `counting-worker.ts`, whose jobs count. */
export const startCounting = (url: string, leaseSeconds: number, ...more: string[]): TestProcess =>
  start([
    ...["--import", import.meta.resolve("tsx"), join(import.meta.dirname, "counting-worker.ts")],
    ...[url, String(leaseSeconds), ...more],
  ]);

/** The command, in the folder that workers share. */
export const startCommand = (
  cwd: string,
  args: readonly string[],
  env?: Record<string, string>,
): TestProcess => start([fileURLToPath(new URL("../../lib/cli/bin.js", import.meta.url)), ...args], cwd, env);

/** Ends a process, unless it has ended. */
export async function endProcess({ child }: TestProcess, signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill(signal);
  await ended;
}
