/** The kernel through Jupyter's own client (Debian's python3-jupyter-client); the programs beside this file. */
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { build, hasPython, python } from "./helpers.ts";

/** The programs, and what they need of Python. */
const suites: [string, string][] = [
  ["protocol.py", "jupyter_client"],
  ["language.py", "jupyter_client"],
  ["outputs.py", "jupyter_client"],
  ["widgets.py", "jupyter_client"],
  ["interrupts.py", "jupyter_client"],
  ["documents.py", "nbclient, nbconvert"],
];

for (const [suite, needed] of suites) {
  const available = hasPython(needed);
  (available ? test : test.skip)(`${suite} (needs Debian's ${needed})`, async () => {
    build();
    const { code, output } = await python(suite);
    const source = readFileSync(new URL(suite, import.meta.url), "utf8");
    const written = source.match(/^ {4}def test_|^ {4}"\w+": /gm)?.length ?? 0;
    assert.is(code, 0, output.slice(-20_000));
    assert.ok(Number(/Ran (\d+) tests/.exec(output)?.[1]) >= written, output.slice(-2000));
  });
}

test.run();
