/** `ditlab notebook test`: notebooks through the real kernel, and comparisons of outputs without one. */
import { spawnSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { compareOutputs } from "../../../kernel/notebook/compare/outputs.ts";
import type { Rules } from "../../../kernel/notebook/compare/text.ts";
import {
  type CodeCell,
  type Metadata,
  type Notebook,
  type Output,
  readNotebook,
  writeNotebook,
} from "../../../kernel/notebook/format.ts";
import { testNotebook } from "../../../kernel/notebook/test.ts";
import { temporaryFolder } from "../../io/helpers.ts";
import { build, root } from "../helpers.ts";

build();

const DEFAULT: Rules = { tolerance: undefined, ignore: [] };

const printed = (text: string, name: "stdout" | "stderr" = "stdout"): Output => ({
  output_type: "stream",
  name,
  text,
});
const shown = (data: Record<string, unknown>): Output => ({
  output_type: "display_data",
  data,
  metadata: {},
});
const result = (text: string): Output => ({
  output_type: "execute_result",
  data: { "text/plain": text },
  metadata: {},
  execution_count: 1,
});
const failure = (ename: string, evalue: string): Output => ({
  output_type: "error",
  ename,
  evalue,
  traceback: [],
});

/** What differs, in one text. */
async function differences(
  expected: Output[],
  actual: Output[],
  rules: Partial<Rules> = {},
): Promise<string> {
  const found = await compareOutputs(expected, actual, { ...DEFAULT, ...rules });
  return found.map(({ place, lines }) => [place, ...lines].join("\n")).join("\n");
}
const texts = (expected: string, actual: string, rules?: Partial<Rules>) =>
  differences([printed(expected)], [printed(actual)], rules);

test("text is compared line by line, numbers in it by value", async () => {
  assert.is(await texts("a\nb\nc\n", "a\nb\nc\n"), "");
  assert.is(await texts("a\nb\nc\n", "a\nB\nc\nd\n"), "stdout\n- b\n+ B\n+ d");
  assert.is(await texts("loss 0.5000001\n", "loss 0.5\n"), "");
  assert.match(await texts("loss 0.50001\n", "loss 0.5\n"), /- loss 0\.50001\n\+ loss 0\.5/);
  assert.match(await texts("step 1000001\n", "step 1000000\n"), /step/, "integers are exact");
  assert.match(await texts("conv1d\n", "conv2d\n", { tolerance: 0.9 }), /conv/, "a name is no number");
  assert.match(await texts("-1e-3\n", "1e-3\n"), /-1e-3/);
  assert.match(await texts("1\n", "NaN\n", { tolerance: 0.9 }), /NaN/);
  assert.is(await texts("[ 1.5,  2]\n", "[ 1.5, 2]\n"), "", "spaces that align");
  assert.is(await texts("0.1\n", "1e-1\n"), "");
  assert.is(await texts("off by 3e-17\n", "off by 0\n"), "", "what is left of a sum that cancels");
});

test("a tolerance that is said holds for all numbers", async () => {
  assert.is(await texts("loss 0.401, 100 images\n", "loss 0.4, 101 images\n", { tolerance: 0.01 }), "");
  assert.match(await texts("loss 0.42\n", "loss 0.4\n", { tolerance: 0.01 }), /0\.42/);
});

test("times, rates, ids and what matches a pattern mean nothing", async () => {
  for (const [one, other] of [
    ["took 13 ms", "took 1.5 s"],
    [
      "training · 240 / 240 steps (100 %) · 0:13 · 18 steps/s",
      "training · 240 / 240 steps (100 %) · 1:02:13 · 7.1 steps/s",
    ],
    ["5 / 5 noise levels · 0.81 noise levels/s", "5 / 5 noise levels · 12 noise levels/s"],
    ["saved 2026-11-27T17:28:49.123Z", "saved 2027-01-01T00:00:00Z"],
    ["id 6f1c2f0e-0b5e-4a52-9d0c-0123456789ab", "id 00000000-0b5e-4a52-9d0c-0123456789ab"],
    ["<object at 0x7f11aa2233>", "<object at 0x7f11aa2244>"],
    ["12.3 ns a loop (7 runs of 1000000 loops)", "1.1 µs a loop (7 runs of 1000 loops)"],
  ])
    assert.is(await texts(`${one}\n`, `${other}\n`), "", one);
  assert.match(await texts("240 steps, 3 s\n", "241 steps, 3 s\n"), /241/, "what is beside them does");
  assert.match(await texts("seed 5\n", "seed 6\n"), /seed/);
  assert.is(await texts("seed 5\n", "seed 6\n", { ignore: [/seed \d+/gu] }), "");
});

test("a line that is written over counts as it ends, and cuts between prints do not", async () => {
  assert.is(await texts("10 %\r50 %\rdone\n", "99 %\rdone\n"), "");
  assert.is(await differences([printed("a\nb\n")], [printed("a\n"), printed("b\n")]), "");
  assert.match(await differences([printed("a\n")], [printed("a\n", "stderr")]), /stdout\n- a\nstderr\n\+ a/);
});

test("what is missing or new is told", async () => {
  assert.is(await differences([result("1"), result("2")], [result("1")]), "output 2 is missing\n- 2");
  assert.is(await differences([], [result("7")]), "output 1 is new\n+ 7");
  assert.is(await differences([printed("a\n")], []), "stdout\n- a");
  const [text, page] = [{ "text/plain": "x" }, { "text/html": "<b>x</b>", "text/plain": "x" }];
  assert.match(await differences([shown(page)], [shown(text)]), /output 1, text\/html\nit is missing/);
  assert.match(await differences([shown(text)], [shown(page)]), /text\/html\nit was not there before/);
  assert.match(await differences([result("3")], [failure("E", "no")]), /- 3\n\+ E: no/);
});

test("errors are compared by name and message", async () => {
  const error = failure("TypeError", "no 1.0000001");
  assert.is(
    await differences([error], [{ ...failure("TypeError", "no 1.0"), traceback: ["at x:1"] } as Output]),
    "",
  );
  assert.match(
    await differences([error], [failure("RangeError", "no 1.0")]),
    /- TypeError[\s\S]*\+ RangeError/,
  );
});

test("pages are compared by tags, texts, numbers and the images in them", async () => {
  const page = (id: string, n: string, width = 3) =>
    shown({ "text/html": `<p id="${id}">n = <b>${n}</b><i style="width:${width}px">`, "text/plain": "page" });
  assert.is(await differences([page("a1", "0.3")], [page("b2", "0.3000000001")]), "");
  assert.is(await differences([page("a1", "0.3")], [page("b2", "0.4")]), "output 1, text/html\n- 0.3\n+ 0.4");
  assert.match(await differences([page("a", "0")], [page("a", "0", 4)]), /4px/);
});

const png = async (width: number, grey: number, dot?: number): Promise<string> => {
  const data = new Uint8Array(width * 20).fill(grey);
  if (dot !== undefined) data.fill(dot, 0, 30);
  const image = sharp(data, { raw: { width, height: 20, channels: 1 } });
  return (await image.png().toBuffer()).toString("base64");
};

test("images are compared by size and pixels", async () => {
  const image = async (...of: Parameters<typeof png>) =>
    shown({ "image/png": await png(...of), "text/plain": `PNG image, ${of.join()} bytes` });
  assert.is(
    await differences([await image(20, 100)], [await image(20, 103)]),
    "",
    "an encoder's differences",
  );
  assert.match(
    await differences([await image(20, 100)], [await image(21, 100)]),
    /20 x 20 pixels expected, 21 x 20 came/,
  );
  assert.match(
    await differences([await image(20, 100)], [await image(20, 100, 200)]),
    /30 of 400 pixels differ/,
  );
  assert.is(await differences([await image(20, 100)], [await image(20, 100, 200)], { tolerance: 0.1 }), "");
  const inPage = async (dot?: number) =>
    shown({ "text/html": `<img src="data:image/png;base64,${await png(20, 9, dot)}">` });
  assert.is(await differences([await inPage()], [await inPage()]), "");
  assert.match(await differences([await inPage()], [await inPage(99)]), /image 1: 30 of 400 pixels differ/);
  assert.match(
    await differences([shown({ "image/png": "aGVsbG8=" })], [await image(20, 9)]),
    /cannot be read/,
  );
});

test("figures are compared by their traces and layout, wherever they are encoded", async () => {
  const encoded = (values: number[], Type: typeof Float32Array | typeof Float64Array, dtype: string) => ({
    dtype,
    bdata: Buffer.from(Type.from(values).buffer as ArrayBuffer).toString("base64"),
  });
  const figure = (y: unknown, title = "t", html = "") =>
    shown({
      "application/vnd.plotly.v1+json": {
        data: [{ type: "scatter", y }],
        layout: { title },
        config: { a: html },
      },
      "text/html": `<div class="ditlab-figure-${html}">`,
    });
  const values = [1.5, 2.25, -3];
  assert.is(
    await differences([figure(values, "t", "x")], [figure(encoded(values, Float32Array, "f4"), "t", "y")]),
    "",
  );
  assert.is(
    await differences([figure([100.5, 1e-4])], [figure([100.5001, 2e-4])]),
    "",
    "at the figure's scale",
  );
  assert.match(
    await differences([figure(values)], [figure(encoded([1.5, 2.5, -3], Float64Array, "f8"))]),
    /data\[0\]\.y\[1\]: 2\.25 expected, 2\.5 came/,
  );
  assert.match(await differences([figure(values)], [figure([1])]), /y: 3 values expected, 1 came/);
  assert.match(await differences([figure(values)], [figure(values, "other")]), /layout\.title: "t" expected/);
});

test("long texts that have nothing in common are told shortly, and soon", async () => {
  const text = (word: string) => Array.from({ length: 40_000 }, (_, i) => `${word} ${i * 7}`).join("\n");
  const started = performance.now();
  const told = await texts(text("a"), text("b"));
  assert.ok(told.split("\n").length < 30);
  assert.ok(performance.now() - started < 20_000);
});

interface Given {
  source: string;
  outputs?: Output[];
  metadata?: Metadata;
}

async function notebookOf(cells: Given[], metadata: Metadata = {}): Promise<string> {
  const path = join(await temporaryFolder(), "n.ipynb");
  const notebook: Notebook = {
    nbformat: 4,
    nbformat_minor: 5,
    metadata,
    cells: cells.map(({ source, outputs = [], metadata = {} }, i) => ({
      ...{ cell_type: "code", id: `c${i}`, metadata, source, outputs, execution_count: i + 1 },
    })),
  };
  await writeNotebook(path, notebook);
  return path;
}

const ditlab = (...args: string[]) => {
  const options = { cwd: root, encoding: "utf8" } as const;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, "lib/cli/bin.js"), "notebook", "test", ...args],
    options,
  );
  return { status, stdout, stderr };
};

test("a notebook whose outputs agree passes, and is left as it was", async () => {
  const path = await notebookOf(
    [
      { source: 'console.log("a", 1 / 3); 2 + 2', outputs: [printed("a 0.33333330\n"), result("4")] },
      { source: "Math.random()", outputs: [result("0.5")], metadata: { tags: ["ignore-output"] } },
      { source: "throw 1", metadata: { tags: ["skip-execution"] } },
      { source: "Math.PI", outputs: [result("3.14")], metadata: { ditlab: { tolerance: 1e-2 } } },
      { source: '"run " + process.pid', outputs: [result("'run 1'")] },
      {
        source: 'throw new RangeError("as expected")',
        outputs: [failure("RangeError", "as expected")],
        metadata: { tags: ["raises-exception"] },
      },
    ],
    { ditlab: { ignore: ["run \\d+"] } },
  );
  const before = await readFile(path, "utf8");
  const { status, stdout, stderr } = ditlab(path);
  assert.is(status, 0, stdout + stderr);
  assert.match(stdout, /^4 cells compared, 0 differ, 2 ignored$/m);
  assert.is(await readFile(path, "utf8"), before);
});

test("a notebook whose outputs differ fails and says how; --update takes the new ones of those cells alone", async () => {
  const path = await notebookOf([
    { source: "0.1 + 0.2", outputs: [result("0.30000000")] },
    { source: 'console.log("one\\ntwo")', outputs: [printed("one\nzwei\n")] },
    { source: "1 + 1", outputs: [] },
    { source: "const quiet = 1;", outputs: [result("1")] },
  ]);
  const { status, stdout } = ditlab(path);
  assert.is(status, 1);
  assert.match(stdout, /n\.ipynb, cell 2: console\.log[^\n]*\n {2}stdout\n {4}- zwei\n {4}\+ two\n/);
  assert.match(stdout, /cell 3: 1 \+ 1\n {2}output 1 is new\n {4}\+ 2\n/);
  assert.match(stdout, /cell 4: [^\n]*\n {2}output 1 is missing\n {4}- 1\n/);
  assert.match(stdout, /^4 cells compared, 3 differ, 0 ignored$/m);

  assert.is(ditlab(path, "--update").status, 0);
  const { cells, metadata } = await readNotebook(path);
  const [first, second, third, fourth] = cells as CodeCell[];
  assert.equal(first.outputs, [result("0.30000000")], "what agrees keeps its text");
  assert.is(first.metadata.execution, undefined);
  assert.equal(second.outputs, [printed("one\ntwo\n")]);
  assert.is((third.outputs[0] as { data: Metadata }).data["text/plain"], "2");
  assert.equal(fourth.outputs, []);
  assert.equal(metadata, {});
  assert.is(ditlab(path).status, 0);
});

test("an error where none was fails, and what comes after is not run; nothing is updated", async () => {
  const path = await notebookOf([
    { source: "1", outputs: [result("1")] },
    { source: 'throw new TypeError("new")', outputs: [result("2")] },
    { source: "3", outputs: [result("3")] },
  ]);
  const before = await readFile(path, "utf8");
  const { status, stdout } = ditlab(path, "--update");
  assert.is(status, 1);
  assert.match(stdout, /cell 2: [\s\S]*it failed, and the run stopped[\s\S]*\+ TypeError: new/);
  assert.match(stdout, /nothing was written/);
  assert.match(stdout, /^2 cells compared, 1 differ, 0 ignored, 1 not run$/m);
  assert.is(await readFile(path, "utf8"), before);
});

test("an error that was expected and did not come is a difference", async () => {
  const outputs = [failure("Error", "x")];
  const path = await notebookOf([{ source: "1;", outputs, metadata: { tags: ["raises-exception"] } }]);
  const { differ, cells } = await testNotebook(path);
  assert.is(differ, 1);
  assert.is(cells[0].differences[0].lines[0], "- Error: x");
});

test("a cell that never ends is stopped after its time and fails", async () => {
  const path = await notebookOf([{ source: "while (true);" }, { source: "2", outputs: [result("2")] }]);
  const { status, stdout } = ditlab(path, "--timeout", "1");
  assert.is(status, 1);
  assert.match(stdout, /took longer than 1 s/);
  assert.match(stdout, /1 cells compared, 1 differ, 0 ignored, 1 not run/);
});

test("several files, of which one is no notebook: the others are tested, and the sum is told", async () => {
  const good = await notebookOf([{ source: "1", outputs: [result("1")] }]);
  const bad = join(await temporaryFolder(), "bad.ipynb");
  await writeFile(bad, "no notebook");
  const { status, stdout, stderr } = ditlab(bad, "/nonexistent.ipynb", good);
  assert.is(status, 1);
  assert.match(stderr, /bad\.ipynb: a notebook is JSON, but/);
  assert.match(stderr, /there is no notebook at \/nonexistent\.ipynb/);
  assert.match(stdout, /^1 cells compared, 0 differ, 0 ignored$/m);
});

test("wrong settings are said in a sentence", async () => {
  for (const [ditlabOf, sentence] of [
    [{ tolerance: "much" }, /the metadata of cell c0: ditlab\.tolerance is a number from 0, got "much"/],
    [{ ignore: ["("] }, /the metadata of cell c0: a regular expression expected, but/],
    [{ ignore: 7 }, /ditlab\.ignore is a list of regular expressions, got 7/],
  ] as const) {
    const path = await notebookOf([{ source: "1", metadata: { ditlab: ditlabOf } }]);
    const rejected = await testNotebook(path).catch((error: Error) => error.message);
    assert.match(String(rejected), sentence);
  }
  for (const wrong of [["--tolerance", "x"], ["--tolerance", "2"], ["--ignore", "("], []])
    assert.is(ditlab(...wrong, ...(wrong.length > 0 ? ["n.ipynb"] : [])).status, 2, wrong.join(" "));
});

test.run();
