/**
 * The teaching notebooks: each holds the outputs of a real run, and (with DITLAB_NOTEBOOKS=1, as in CI: minutes)
 * runs through the kernel as it stands. Two run small on a GPU that the processor plays, too, and draw what they draw
 * on the processor.
 */
import { existsSync, readdirSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Cell, type Notebook, readNotebook } from "../../kernel/notebook/format.ts";
import type { Parameters } from "../../kernel/notebook/parameters.ts";
import { runNotebook } from "../../kernel/notebook/run.ts";
import { drivers } from "../devices/helpers.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { build, root } from "./helpers.ts";

const folder = join(root, "notebooks");
const names = readdirSync(folder).filter((name) => name.endsWith(".ipynb"));
const wanted = process.env.DITLAB_NOTEBOOKS === "1";

/** The largest that one may be, in bytes: it has to open quickly wherever it is read. */
const LARGEST = 1_500_000;
/** The longest line of code: what a page shows without scrolling. */
const WIDEST = 100;

const tagsOf = ({ metadata }: Cell) => (metadata.tags as string[] | undefined) ?? [];

test("they are numbered without a gap, and each names the next", async () => {
  assert.ok(names.length >= 12);
  for (const [i, name] of names.entries()) {
    assert.is(name.slice(0, 2), String(i + 1).padStart(2, "0"));
    const { cells } = await readNotebook(join(folder, name));
    assert.match(cells[0].source, `# ${i + 1} · `);
    if (i + 1 < names.length) assert.match(cells.at(-1)!.source, `](${names[i + 1]})`);
    for (const [, link] of cells.flatMap(({ cell_type, source }) =>
      cell_type === "markdown" ? [...source.matchAll(/\]\(((?!https?:|#)[^)]+)\)/g)] : [],
    ))
      assert.ok(existsSync(join(folder, link)), `${name} links to ${link}`);
  }
});

/** How small those that train are run here: what they show at their own size stands in them. */
const QUICK: Readonly<Record<string, Parameters>> = {
  "04-training-sit.ipynb": { steps: 150, shownAt: [0, 50, 100, 150] },
  "06-what-it-knows.ipynb": { steps: 80, count: 200 },
  "07-self-representation-alignment.ipynb": { steps: 80, testImages: 128 },
  "08-ablations.ipynb": { steps: 40, generated: 100 },
  "10-dit-beside-sit.ipynb": { steps: 60, samples: 40 },
  "12-alignments.ipynb": { steps: 10, testImages: 64, probed: 150 },
};

for (const name of names) {
  test(`${name} was run whole, without an error, and sets its scale in a cell`, async () => {
    assert.ok((await stat(join(folder, name))).size < LARGEST);
    const { cells, metadata } = await readNotebook(join(folder, name));
    assert.is((metadata.kernelspec as { name: string }).name, "ditlab");
    const code = cells.filter((cell) => cell.cell_type === "code");
    for (const tag of ["parameters", "solution"])
      assert.ok(
        code.some((cell) => tagsOf(cell).includes(tag)),
        `a cell tagged ${tag}`,
      );
    for (const line of code.flatMap(({ metadata, source }) =>
      (metadata.jupyter as { source_hidden?: boolean } | undefined)?.source_hidden ? [] : source.split("\n"),
    ))
      assert.ok(line.length <= WIDEST, line);
    let figures = 0;
    let carriers = 0;
    for (const [i, { execution_count, outputs }] of code.entries()) {
      assert.is(execution_count, i + 1);
      for (const output of outputs) {
        assert.is.not(output.output_type, "error");
        if (!("data" in output)) continue;
        if ("image/png" in output.data || "application/vnd.plotly.v1+json" in output.data) figures++;
        if (String(output.data["text/html"] ?? "").length > 500_000) carriers++;
      }
    }
    assert.ok(figures >= 4, `${figures} pictures`);
    assert.is(carriers, 1, "plotly is shipped once");
  });

  (wanted ? test : test.skip)(`${name} runs through the kernel (DITLAB_NOTEBOOKS=1)`, async () => {
    build();
    const output = join(await temporaryFolder(), name);
    const { failed, seconds } = await runNotebook(join(folder, name), { output, parameters: QUICK[name] });
    assert.is(failed, undefined, failed?.reason);
    process.stdout.write(` ${name} ${seconds.toFixed(0)} s `);
  });
}

/** Those without timings, and how small they are run. */
const SMALL: Readonly<Record<string, Parameters>> = {
  "02-schedules-interpolants.ipynb": { points: 150, pairs: 60_000 },
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

/** What plotly's types of numbers are. */
const ARRAYS = { f4: Float32Array, f8: Float64Array, i4: Int32Array, u1: Uint8Array } as const;

/** The numbers of a trace's array: a list, or typed and in base64. */
function numbersOf(value: unknown): number[] | undefined {
  if (Array.isArray(value)) return value.flat().filter((v) => typeof v === "number");
  const { dtype, bdata } = (value ?? {}) as { dtype?: keyof typeof ARRAYS; bdata?: string };
  if (dtype === undefined || bdata === undefined) return undefined;
  const bytes = Uint8Array.from(Buffer.from(bdata, "base64"));
  return Array.from(new ARRAYS[dtype](bytes.buffer)).filter(Number.isFinite);
}

/** The numbers of each trace of the figures, by what they are (x, y, z). */
function tracesOf(notebook: Notebook): [what: string, numbers: number[]][] {
  const figures = outputsOf(notebook).flatMap((output) =>
    "data" in output ? (output.data["application/vnd.plotly.v1+json"] ?? []) : [],
  ) as { data: Record<string, unknown>[]; layout: { title?: { text?: string } } }[];
  return figures.flatMap(({ data, layout }) =>
    data.flatMap((trace, i) =>
      Object.entries(trace).flatMap(([key, value]): [string, number[]][] => {
        const numbers = numbersOf(value);
        return numbers ? [[`${layout.title?.text}, trace ${i}, ${key}`, numbers]] : [];
      }),
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
