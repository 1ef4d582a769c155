/**
 * The teaching notebooks: each holds the outputs of a real run, and (with DITLAB_NOTEBOOKS=1, as in CI: minutes)
 * runs through the kernel as it stands. Two run small on a GPU that the processor plays, too, and draw what they draw
 * on the processor.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Notebook, readNotebook } from "../../kernel/notebook/format.ts";
import type { Parameters } from "../../kernel/notebook/parameters.ts";
import { runNotebook } from "../../kernel/notebook/run.ts";
import { drivers } from "../devices/helpers.ts";
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

/** Those without timings, and how small they are run. */
const SMALL: Readonly<Record<string, Parameters>> = {
  "02-interpolants-samplers.ipynb": { points: 150, pairs: 60_000, referenceSteps: 64, longestRun: 16 },
  "03-dit-block.ipynb": { steps: 1, batchSize: 2 },
};
const { env: swiftshader, missing } = drivers.find(({ name }) => name === "swiftshader")!;

async function ranOn(device: string, name: string, more: Record<string, string> = {}): Promise<Notebook> {
  const env = { ...process.env, ...more, DITLAB_DEVICE: device };
  const output = join(await temporaryFolder(), name);
  const options = { output, parameters: SMALL[name], kernel: { env } };
  const { failed, notebook, seconds } = await runNotebook(join(folder, name), options);
  assert.is(failed, undefined, failed?.reason);
  process.stdout.write(` ${name} on ${device} ${seconds.toFixed(0)} s `);
  return notebook;
}

const outputsOf = ({ cells }: Notebook) =>
  cells.flatMap((cell) => (cell.cell_type === "code" ? cell.outputs : []));

/** The numbers of each trace of the figures, by what they are (x, y, z). */
function tracesOf(notebook: Notebook): [what: string, numbers: number[]][] {
  const figures = outputsOf(notebook).flatMap((output) =>
    "data" in output ? (output.data["application/vnd.plotly.v1+json"] ?? []) : [],
  ) as { data: Record<string, unknown>[]; layout: { title?: { text?: string } } }[];
  return figures.flatMap(({ data, layout }) =>
    data.flatMap((trace, i) =>
      Object.entries(trace).flatMap(([key, value]): [string, number[]][] =>
        Array.isArray(value)
          ? [[`${layout.title?.text}, trace ${i}, ${key}`, value.flat().filter((v) => typeof v === "number")]]
          : [],
      ),
    ),
  );
}

for (const name of Object.keys(SMALL)) {
  const skipped = missing ? `${missing} is not installed` : "DITLAB_NOTEBOOKS=1";
  (wanted && !missing ? test : test.skip)(
    `${name} draws the same on a GPU, unchanged (${skipped})`,
    async () => {
      build();
      const expected = await ranOn("cpu", name);
      const notebook = await ranOn("webgpu", name, swiftshader);
      assert.match(JSON.stringify(outputsOf(notebook)), /webgpu/, "it says where it runs");
      const [theirs, ours] = [tracesOf(expected), tracesOf(notebook)];
      assert.equal(
        ours.map(([what, { length }]) => [what, length]),
        theirs.map(([what, { length }]) => [what, length]),
      );
      for (const [i, [what, numbers]] of ours.entries()) {
        const scale = Math.max(...theirs[i][1].map(Math.abs), 1e-6);
        const worst = numbers.reduce(
          (most, v, j) => Math.max(most, Math.abs(v - theirs[i][1][j]) / scale),
          0,
        );
        assert.ok(worst < 1e-3, `${what}: ${worst}`);
      }
    },
  );
}

test.run();
