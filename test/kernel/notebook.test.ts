/** Notebook documents and parameters. */
import { execFileSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { formatNotebook, type Notebook, parseNotebook, writeNotebook } from "../../kernel/notebook/format.ts";
import { notebookPage } from "../../kernel/notebook/html.ts";
import { injectParameters, parseParameter } from "../../kernel/notebook/parameters.ts";
import { rejects, temporaryFolder } from "../io/helpers.ts";
import { hasPython } from "./helpers.ts";

const notebook = (): Notebook => ({
  nbformat: 4,
  nbformat_minor: 5,
  metadata: { kernelspec: { name: "ditlab", display_name: "TypeScript" }, zeta: 1, alpha: { b: [], a: {} } },
  cells: [
    { cell_type: "markdown", id: "m1", metadata: {}, source: "# Title é\n\ntext\u2028more\n" },
    { cell_type: "raw", id: "r1", metadata: {}, source: "" },
    {
      cell_type: "code",
      id: "c1",
      metadata: { tags: ["parameters"] },
      source: "let steps: number = 10;\nconst name = 'x';\n",
      execution_count: 3,
      outputs: [
        { output_type: "stream", name: "stdout", text: "a\rb\r\nc\x0bd\n" },
        {
          output_type: "display_data",
          data: { "text/plain": "p\nq", "text/html": "<b>\n</b>" },
          metadata: {},
        },
        {
          output_type: "execute_result",
          execution_count: 3,
          metadata: {},
          data: {
            "application/json": { text: "not\nsplit", list: [1, 0.5, 1e-7, 0.00001, 1e21, -2.5e-9] },
            "application/vnd.plotly.v1+json": { data: [{ x: [0.1, null] }] },
            "image/png": "aGVsbG8=",
            "text/plain": "",
          },
        },
        { output_type: "error", ename: "E", evalue: "v", traceback: ["l1\nl2", "\u001b[31mred"] },
      ],
    },
  ],
});

test("a notebook that is written and read is the same", () => {
  assert.equal(parseNotebook(formatNotebook(notebook())), notebook());
});

test("texts are kept as lines, JSON as it is", () => {
  const raw = JSON.parse(formatNotebook(notebook()));
  assert.equal(raw.cells[2].source, ["let steps: number = 10;\n", "const name = 'x';\n"]);
  assert.equal(raw.cells[2].outputs[0].text, ["a\r", "b\r\n", "c\x0b", "d\n"]);
  assert.equal(raw.cells[2].outputs[2].data["application/json"].text, "not\nsplit");
  assert.equal(raw.cells[1].source, []);
});

const available = hasPython("nbformat");
(available ? test : test.skip)("Jupyter re-saves a notebook byte for byte (python3-nbformat)", async () => {
  const path = join(await temporaryFolder(), "n.ipynb");
  await writeNotebook(path, notebook());
  const before = await readFile(path);
  const script = `import nbformat; nb = nbformat.read("${path}", 4); nbformat.validate(nb); nbformat.write(nb, "${path}")`;
  execFileSync("/usr/bin/python3", ["-c", script], { stdio: "pipe" });
  assert.is((await readFile(path)).toString(), before.toString());
});

test("documents that are no notebooks are refused with the place", () => {
  const broken = (change: (raw: Record<string, never>) => void): string => {
    const raw = JSON.parse(formatNotebook(notebook()));
    change(raw);
    return JSON.stringify(raw);
  };
  const cases: [string, RegExp][] = [
    ["{", /a notebook is JSON, but/],
    ["[]", /nbformat 4 expected, got none/],
    [JSON.stringify({ nbformat: 3, worksheets: [] }), /nbformat 4 expected, got 3; Jupyter converts it/],
    [broken((raw) => delete (raw.cells[2] as { metadata?: unknown }).metadata), /\/cells\/2 .*metadata/],
    [broken((raw) => Object.assign(raw.cells[0], { id: "c1" })), /two cells have the id c1/],
    [broken((raw) => Object.assign(raw.cells[0], { id: "with space" })), /\/cells\/0\/id/],
    [broken((raw) => Object.assign(raw.cells[0], { extra: 1 })), /\/cells\/0 .*extra/],
    [broken((raw) => Object.assign(raw.cells[2], { execution_count: "3" })), /\/cells\/2\/execution_count/],
    [
      broken((raw) => Object.assign(raw.cells[2], { outputs: [{ output_type: "stream", name: "stdout" }] })),
      /outputs\/0/,
    ],
    [broken((raw) => Object.assign(raw, { metadata: [] })), /\/metadata must be object/],
  ];
  for (const [text, expected] of cases) {
    try {
      parseNotebook(text);
      assert.unreachable(text.slice(0, 200));
    } catch (error) {
      assert.match((error as Error).message, expected);
    }
  }
});

test("a notebook of 4.4 gets ids", () => {
  const raw = JSON.parse(formatNotebook(notebook()));
  raw.nbformat_minor = 4;
  for (const cell of raw.cells) delete cell.id;
  const read = parseNotebook(JSON.stringify(raw));
  assert.is(read.nbformat_minor, 5);
  assert.is(new Set(read.cells.map(({ id }) => id)).size, 3);
});

test("an invalid notebook is never written over a good one", async () => {
  const path = join(await temporaryFolder(), "n.ipynb");
  await writeFile(path, "good");
  const bad = { ...notebook(), cells: [{ ...notebook().cells[0], id: "" }] } as Notebook;
  await rejects(writeNotebook(path, bad), /\/cells\/0\/id/);
  assert.is(await readFile(path, "utf8"), "good");
});

test("parameters go into a cell of their own, with the declarations' keywords and types", () => {
  const once = injectParameters(notebook(), { steps: 20, name: "y", other: [1] });
  const { cells } = once.notebook;
  assert.equal(
    cells.map(({ id }) => id).filter((id) => ["m1", "r1", "c1"].includes(id)),
    ["m1", "r1", "c1"],
  );
  assert.is(cells[3].source, '// Parameters\nlet steps: number = 20;\nconst name = "y";\nlet other = [1];');
  assert.equal(cells[3].metadata.tags, ["injected-parameters"]);
  assert.equal(once.unknown, ["other"]);
  const twice = injectParameters(once.notebook, { steps: 30 });
  assert.is(twice.notebook.cells.length, 4);
  assert.is(twice.notebook.cells[3].source, "// Parameters\nlet steps: number = 30;");
  assert.is(injectParameters({ ...notebook(), cells: [] }, { a: 1 }).notebook.cells.length, 1);
  assert.throws(() => injectParameters(notebook(), { "a b": 1 }), /a name of a variable expected/);
});

test("the value of a parameter is JSON where it is JSON", () => {
  const cases: [string, unknown][] = [
    ["3", 3],
    ["-1e-3", -1e-3],
    ["true", true],
    ["null", null],
    ["[1, 2]", [1, 2]],
    ['"3"', "3"],
    ["tiny", "tiny"],
    ["", ""],
  ];
  for (const [text, value] of cases) assert.equal(parseParameter(text), value);
});

test("a page holds every output in its richest form and needs no network", () => {
  const page = notebookPage(notebook(), "n");
  assert.match(page, /<title>Title é<\/title>/);
  assert.match(page, /<b>\n<\/b>/);
  assert.match(page, /<img alt="" src="data:image\/png;base64,aGVsbG8=">/);
  assert.match(page, /class="ansi-red-fg">red/);
  assert.match(page, /hljs-keyword">let/);
  assert.not.match(page, /(src|href)="https?:/);
  const hostile = notebook();
  hostile.cells[2].source = "</code><script>alert(1)</script>";
  assert.not.match(notebookPage(hostile, "n"), /<script>alert/);
});

test.run();
