/**
 * The teaching notebooks: each holds the outputs of a real run, and (with DITLAB_NOTEBOOKS=1, as in CI: minutes)
 * runs through the kernel as it stands.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { readNotebook } from "../../kernel/notebook/format.ts";
import { runNotebook } from "../../kernel/notebook/run.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { build, root } from "./helpers.ts";

const folder = join(root, "notebooks");
const names = readdirSync(folder).filter((name) => name.endsWith(".ipynb"));
const wanted = process.env.DITLAB_NOTEBOOKS === "1";

test("there are the first five, numbered", () => {
  assert.equal(
    names.map((name) => name.slice(0, 2)),
    ["01", "02", "03", "04", "05"],
  );
});

for (const name of names) {
  test(`${name} was run whole, without an error, and sets its scale in a cell`, async () => {
    const { cells, metadata } = await readNotebook(join(folder, name));
    assert.is((metadata.kernelspec as { name: string }).name, "ditlab");
    const code = cells.filter((cell) => cell.cell_type === "code");
    assert.ok(code.some(({ metadata }) => (metadata.tags as string[] | undefined)?.includes("parameters")));
    let figures = 0;
    let carriers = 0;
    for (const [i, { execution_count, outputs }] of code.entries()) {
      assert.is(execution_count, i + 1);
      for (const output of outputs) {
        assert.is.not(output.output_type, "error");
        if (!("data" in output)) continue;
        if ("image/png" in output.data || "application/vnd.plotly.v1+json" in output.data) figures++;
        if (String(output.data["text/html"] ?? "").length > 1_000_000) carriers++;
      }
    }
    assert.ok(figures >= 4, `${figures} pictures`);
    assert.is(carriers, 1, "plotly is shipped once");
  });

  (wanted ? test : test.skip)(`${name} runs through the kernel (DITLAB_NOTEBOOKS=1)`, async () => {
    build();
    const output = join(await temporaryFolder(), name);
    const { failed, seconds } = await runNotebook(join(folder, name), { output });
    assert.is(failed, undefined, failed?.reason);
    process.stdout.write(` ${name} ${seconds.toFixed(0)} s `);
  });
}

test.run();
