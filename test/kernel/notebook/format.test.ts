/** Notebook documents. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  formatNotebook,
  type Notebook,
  parseNotebook,
  writeNotebook,
} from "../../../kernel/notebook/format.ts";
import { rejects, temporaryFolder } from "../../io/helpers.ts";
import { notebook } from "./sample.ts";

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

test.run();
