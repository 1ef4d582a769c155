/** What the notebook's own commands do. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { homedir } from "node:os";
import { resolve } from "node:path";
import { toText } from "../display/inspect.ts";
import { CELLS, COMMANDS, LINES } from "./parse.ts";
import { timeit } from "./timing.ts";

export interface CommandsOptions {
  /** The names that cells have declared, with their types. */
  readonly names: () => { name: string; type: string }[];
  readonly liveValue: (name: string) => unknown;
}

export interface Commands {
  /** Says how long it is since a cell started the clock, if it has. */
  stopClock(): void;
}

/** Characters of a value in a list of values. */
const MAX_PREVIEW = 80;

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

/** Runs a command in a shell; what it prints is shown as it comes. The code with which it ended. */
async function execute(command: string, shell: string): Promise<number> {
  const isWindows = process.platform === "win32";
  const child = spawn(command, {
    shell: isWindows ? true : shell,
    stdio: ["ignore", "inherit", "inherit"],
    // A group of its own, which a stop reaches whole.
    detached: !isWindows,
  });
  if (!isWindows) child.kill = (signal) => child.pid !== undefined && process.kill(-child.pid, signal);
  const [code, signal] = await once(child, "close");
  return code ?? `signal ${signal}`;
}

function changeFolder(path: string): void {
  const target = path.trim() === "" ? "~" : path.trim().replace(/^(["'])(.*)\1$/, "$2");
  process.chdir(resolve(target.replace(/^~(?=\/|$)/, homedir())));
  say(process.cwd());
}

function environment(text: string): unknown {
  const [, name, value] = /^(\w+)(?:\s*=\s*|\s+)(.+)$/.exec(text.trim()) ?? [];
  if (name === undefined) return text.trim() === "" ? { ...process.env } : process.env[text.trim()];
  process.env[name] = value;
  say(`${name}=${value}`);
  return undefined;
}

/** A value in one line. */
function preview(value: unknown): string {
  const text = toText(value).replace(/\s+/g, " ");
  return text.length > MAX_PREVIEW ? `${text.slice(0, MAX_PREVIEW)}…` : text;
}

const list = (prefix: string, commands: Record<string, string>): string[] =>
  Object.entries(commands).map(([name, what]) => `${prefix}${name}`.padEnd(12) + what);

/** Gives compiled cells what runs their commands. */
export function installCommands({ names, liveValue }: CommandsOptions): Commands {
  let started: { wall: number; cpu: NodeJS.CpuUsage } | undefined;
  const stopClock = (): void => {
    if (!started) return;
    const { user, system } = process.cpuUsage(started.cpu);
    const wall = performance.now() - started.wall;
    started = undefined;
    say(`${(wall / 1000).toFixed(3)} s, of which the processor ${((user + system) / 1e6).toFixed(3)} s`);
  };
  const commands = {
    async shell(command: string, shell = "/bin/sh") {
      const code = await execute(command, shell);
      if (code !== 0) process.stderr.write(`exit code ${code}\n`);
    },
    async checkedShell(command: string, shell = "/bin/sh") {
      const code = await execute(command, shell);
      if (code !== 0) throw new Error(`the command ended with exit code ${code}`);
    },
    startClock() {
      started = { wall: performance.now(), cpu: process.cpuUsage() };
    },
    stopClock,
    timeit: async (body: () => unknown) => say(await timeit(body)),
    who() {
      const declared = names();
      if (declared.length === 0) say("No names are declared.");
      return declared.length === 0 ? undefined : declared;
    },
    whos() {
      const declared = commands.who();
      return declared?.map((one) => ({ ...one, value: preview(liveValue(one.name)) }));
    },
    cd: changeFolder,
    env: environment,
    lsmagic() {
      const lines = [
        ...list("%", LINES),
        ...list("%%", CELLS),
        `${"!command".padEnd(12)}run a command in a shell`,
      ];
      say(lines.join("\n"));
    },
  };
  Object.defineProperty(globalThis, COMMANDS, { value: commands, configurable: true });
  return { stopClock };
}
