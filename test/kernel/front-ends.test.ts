/** The kernel through Jupyter's own client (Debian's python3-jupyter-client); the programs beside this file. */
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { build, hasPython, python } from "./helpers.ts";

const available = hasPython("jupyter_client");
const suites = ["protocol.py", "language.py", "outputs.py", "interrupts.py"];

for (const suite of suites) {
  (available ? test : test.skip)(`${suite} (python3-jupyter-client)`, async () => {
    build();
    const { code, output } = await python(suite);
    const source = readFileSync(new URL(suite, import.meta.url), "utf8");
    const written = source.match(/^ {4}def test_|^ {4}"\w+": /gm)?.length ?? 0;
    assert.is(code, 0, output.slice(-20_000));
    assert.ok(Number(/Ran (\d+) tests/.exec(output)?.[1]) >= written, output.slice(-2000));
  });
}

test.run();
