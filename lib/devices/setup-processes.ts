/** Other programs, which set devices up, and processes that try what came of it. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";

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

/** Seconds that a library of a gigabyte may take to load from a slow disk, and to open a GPU. */
const PATIENCE = 300;

/**
 * Tries a setup in a process of its own, which a library that does not fit may end. Its script lies beside the module of
 * that address, as `check`; it is given the record's file, and prints what computes or what is wrong as a line of JSON.
 * @returns what computes
 */
export async function checkBeside(address: string, record: string, signal?: AbortSignal): Promise<string> {
  const inCheckout = address.endsWith(".ts");
  const script = fileURLToPath(new URL(inCheckout ? "check.ts" : "check.js", address));
  const loader = inCheckout ? ["--import", import.meta.resolve("tsx")] : [];
  const said = await run(process.execPath, [...loader, script, record], { signal, timeout: PATIENCE }).catch(
    (error: Error) => {
      throw new Error(`the process that tried it failed: ${error.message}`, { cause: error });
    },
  );
  const line = said.split("\n").find((text) => /^\{"(runtime|error)":/.test(text));
  const { runtime, error = "the process that tried it said nothing" } = JSON.parse(line ?? "{}");
  if (runtime === undefined) throw new Error(error);
  return runtime;
}
