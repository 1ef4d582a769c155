/**
 * The kernel through Jupyter's own client (Debian's python3-jupyter-client), and in other front ends; the programs beside
 * this file.
 */
import { existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { build, hasPython, python } from "./helpers.ts";

/** A program with what it is told, what it needs of Python, and of the programs on the path. */
interface Suite {
  readonly run: readonly [string, ...string[]];
  readonly needed: string;
  readonly programs?: readonly string[];
}

const suites: readonly Suite[] = [
  { run: ["protocol.py"], needed: "jupyter_client" },
  { run: ["language.py"], needed: "jupyter_client" },
  { run: ["outputs.py"], needed: "jupyter_client" },
  { run: ["widgets.py"], needed: "jupyter_client" },
  { run: ["interrupts.py"], needed: "jupyter_client" },
  { run: ["documents.py"], needed: "nbclient, nbconvert" },
  { run: ["console.py"], needed: "jupyter_console, pexpect", programs: ["jupyter-console"] },
  { run: ["qtconsole_window.py"], needed: "qtconsole, PyQt5" },
  { run: ["server.py", "notebook"], needed: "tornado", programs: ["jupyter-notebook"] },
  { run: ["server.py", "kernelgateway"], needed: "tornado", programs: ["jupyter-kernelgateway"] },
  { run: ["hub.py"], needed: "tornado, jupyterhub", programs: ["jupyterhub", "configurable-http-proxy"] },
];

const isOnPath = (program: string): boolean =>
  (process.env.PATH ?? "").split(delimiter).some((folder) => existsSync(join(folder, program)));

for (const { run, needed, programs = [] } of suites) {
  const [suite] = run;
  const available = hasPython(needed) && programs.every(isOnPath);
  const all = [needed, ...programs].join(", ");
  (available ? test : test.skip)(`${run.join(" ")} (needs ${all})`, async () => {
    build();
    const { code, output } = await python(...run);
    const source = readFileSync(new URL(suite, import.meta.url), "utf8");
    const written = source.match(/^ {4}def test_|^ {4}"\w+": /gm)?.length ?? 0;
    assert.is(code, 0, output.slice(-20_000));
    assert.ok(Number(/Ran (\d+) tests?/.exec(output)?.[1]) >= written, output.slice(-2000));
  });
}

test.run();
