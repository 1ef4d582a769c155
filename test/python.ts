/** A Python that has a package, for tests of files that others read. */
import { spawnSync } from "node:child_process";

/** The first program of `python3` and Debian's own that can import a package. */
export const pythonWith = (name: string): string | undefined =>
  ["python3", "/usr/bin/python3"].find(
    (program) => spawnSync(program, ["-c", `import ${name}`]).status === 0,
  );

/** What a script prints, as JSON; throws what it wrote to its error output when it fails. */
export function pythonJson(program: string, script: string, ...args: string[]): unknown {
  const { stdout, stderr, status } = spawnSync(program, ["-c", script, ...args], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}
