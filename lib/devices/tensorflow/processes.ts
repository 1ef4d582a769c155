/** Other programs, which set it up. */
import { execFile } from "node:child_process";

export interface RunOptions {
  cwd?: string;
  signal?: AbortSignal;
  /** Seconds. */
  timeout?: number;
}

/** A line that says what went wrong; compilers and package managers say much else. */
function reasonIn(output: string): string | undefined {
  const lines = output.split("\n").flatMap((line) => line.trim() || []);
  return lines.find((line) => /\berror\b/i.test(line) && !/error code|errno/i.test(line)) ?? lines.at(-1);
}

/** What a program prints. @throws with what it says is wrong; the property `missing` tells that there is no such program */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { cwd, signal, timeout = 0 } = options;
  return new Promise((resolve, reject) => {
    execFile(
      program,
      args,
      { cwd, signal, timeout: timeout * 1000, maxBuffer: 2 ** 26, killSignal: "SIGKILL" },
      (error, stdout, stderr) => {
        if (!error) return resolve(stdout);
        if (signal?.aborted) return reject(new Error("it was stopped"));
        const { code, killed } = error;
        if ((code as unknown) === "ENOENT")
          return reject(Object.assign(new Error(`there is no ${program}`), { missing: true }));
        const reason = killed
          ? `it had not ended after ${timeout} s`
          : (reasonIn(stderr) ?? reasonIn(stdout) ?? `it ended with ${error.signal ?? `code ${code}`}`);
        return reject(new Error(reason, { cause: error }));
      },
    );
  });
}

export const isMissing = (error: unknown): boolean => (error as { missing?: boolean }).missing === true;
