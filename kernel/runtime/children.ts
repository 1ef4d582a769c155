/** What child processes print belongs to the cell that started them, as it would in a terminal. */
import childProcess, { type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ownCell } from "./cell.ts";
import type { StreamName, Streams } from "./streams.ts";

type Stdio = unknown;

const OUTPUTS: readonly [number, StreamName][] = [
  [1, "stdout"],
  [2, "stderr"],
];

/** The three channels of a `stdio` option as a list. */
function channels(stdio: Stdio, standard: string): unknown[] {
  if (Array.isArray(stdio)) return [...stdio];
  return Array(3).fill(stdio ?? standard);
}

const inherits = (channel: unknown, fd: number) =>
  channel === "inherit" || channel === fd || channel === (fd === 1 ? process.stdout : process.stderr);

/** `stdio` with pipes instead of the kernel's own outputs, and which of them those were. */
function piped(
  stdio: Stdio,
  standard = "pipe",
): { stdio: unknown[]; taken: (readonly [number, StreamName])[] } {
  const list = channels(stdio, standard);
  const taken = OUTPUTS.filter(([fd]) => inherits(list[fd], fd));
  for (const [fd] of taken) list[fd] = "pipe";
  if (list[0] === "inherit" || list[0] === 0 || list[0] === process.stdin) list[0] = "ignore";
  return { stdio: list, taken };
}

type Spawn = (this: ChildProcess, options: { stdio?: Stdio }) => unknown;
type Sync = (...args: unknown[]) => unknown;

export function captureChildProcesses(streams: Streams): void {
  const prototype = childProcess.ChildProcess.prototype as unknown as { spawn: Spawn };
  const { spawn } = prototype;
  prototype.spawn = function (options) {
    const { stdio, taken } = piped(options.stdio);
    const result = spawn.call(this, { ...options, stdio });
    const cell = ownCell();
    cell?.children.add(this);
    this.once("exit", () => cell?.children.delete(this));
    for (const [fd, name] of taken) {
      const decoder = new TextDecoder();
      this.stdio?.[fd]?.on("data", (chunk: Buffer) =>
        streams.write(name, decoder.decode(chunk, { stream: true }), cell),
      );
      // Whoever inherits has no stream of the child's.
      (this as Record<StreamName, unknown>)[name] = null;
      (this.stdio as unknown[])[fd] = null;
    }
    return result;
  };

  for (const name of ["spawnSync", "execSync", "execFileSync"] as const) {
    const original = childProcess[name] as Sync;
    (childProcess as unknown as Record<string, Sync>)[name] = (...args) => {
      const at = args.findIndex(
        (arg, i) => i > 0 && arg !== null && typeof arg === "object" && !Array.isArray(arg),
      );
      const options = (at < 0 ? {} : args[at]) as { stdio?: Stdio };
      const { stdio, taken } = piped(options.stdio);
      if (taken.length === 0) return original(...args);
      // Into files: this thread waits, and another shows what comes meanwhile.
      const files = taken.map(([fd, stream]) => {
        const file = join(tmpdir(), `ditlab-output-${randomUUID()}`);
        const descriptor = fs.openSync(file, "a", 0o600);
        stdio[fd] = descriptor;
        return { descriptor, end: streams.follow(stream, file) };
      });
      try {
        return original(...(at < 0 ? [...args, { stdio }] : args.toSpliced(at, 1, { ...options, stdio })));
      } finally {
        for (const { descriptor, end } of files) {
          fs.closeSync(descriptor);
          end();
        }
      }
    };
  }

  const { writeSync } = fs;
  fs.writeSync = ((fd: number, data: string | Uint8Array, ...rest: never[]) => {
    const output = OUTPUTS.find(([number]) => number === fd);
    if (!output) return writeSync(fd, data as string, ...rest);
    const text = typeof data === "string" ? data : new TextDecoder().decode(data);
    streams.write(output[1], text);
    return Buffer.byteLength(text);
  }) as typeof fs.writeSync;
  syncBuiltinESMExports();
}
