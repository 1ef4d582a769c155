/** Notebook documents as Jupyter's own nbformat sees them. */
import { execFileSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  formatNotebook,
  type Notebook,
  parseNotebook,
  writeNotebook,
} from "../../../kernel/notebook/format.ts";
import { validateNotebook } from "../../../kernel/notebook/schema.ts";
import { randomGenerator } from "../../../lib/tensor/index.ts";
import { temporaryFolder } from "../../io/helpers.ts";
import { hasPython, PYTHON } from "../helpers.ts";
import { notebook } from "./sample.ts";

const available = hasPython("nbformat", "jsonschema");
(available ? test : test.skip)("Jupyter re-saves a notebook byte for byte (python3-nbformat)", async () => {
  const path = join(await temporaryFolder(), "n.ipynb");
  await writeNotebook(path, notebook());
  const before = await readFile(path);
  const script = `import nbformat; nb = nbformat.read("${path}", 4); nbformat.validate(nb); nbformat.write(nb, "${path}")`;
  execFileSync(PYTHON, ["-c", script], { stdio: "pipe" });
  assert.is((await readFile(path)).toString(), before.toString());
});

(available ? test : test.skip)(
  "any notebook is written as Jupyter writes it (python3-nbformat)",
  async () => {
    // Texts with all that ends a line, quotes, control characters, and characters beyond U+FFFF before ones below.
    const text = fc.string({
      unit: fc.constantFrom(...'ab 1"\\/\n\r\t\b\f\v\x1c\x1e\x7f\x85é\u2028\u2029\uff5e\ue000', "😀", "\r\n"),
      maxLength: 12,
    });
    const { tree: json } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 3 },
        fc.oneof(
          text,
          fc.boolean(),
          fc.constant(null),
          fc.integer(),
          fc.double({ noNaN: true, noDefaultInfinity: true }),
        ),
        fc.array(tie("tree"), { maxLength: 3 }),
        fc.dictionary(text, tie("tree"), { maxKeys: 3 }),
      ),
    }));
    const object = fc.dictionary(text, json, { maxKeys: 3 });
    const data = fc.record(
      { "text/plain": text, "image/svg+xml": text, "image/png": text, "application/x+json": json },
      { requiredKeys: [] },
    );
    const output = fc.oneof(
      fc.record({ output_type: fc.constant("stream"), name: fc.constant("stdout"), text }),
      fc.record({ output_type: fc.constant("display_data"), data, metadata: object }),
      fc.record({ output_type: fc.constant("error"), ename: text, evalue: text, traceback: fc.array(text) }),
    );
    const cell = fc.record({
      cell_type: fc.constant("code"),
      metadata: fc.record({ x: object, trusted: fc.boolean() }, { requiredKeys: ["x"] }),
      source: text,
      outputs: fc.array(output, { maxLength: 3 }),
      execution_count: fc.option(fc.nat()),
    });
    const any = fc.record({
      nbformat: fc.constant(4),
      nbformat_minor: fc.constant(5),
      metadata: fc.record({ x: object, orig_nbformat: fc.nat() }, { requiredKeys: ["x"] }),
      cells: fc
        .array(cell, { maxLength: 3 })
        .map((cells) => cells.map((one, i) => ({ ...one, id: `c${i}` }))),
    });
    const folder = await temporaryFolder();
    const written: string[] = [];
    for (const [i, notebook] of fc.sample(any, { numRuns: 200, seed: 7 }).entries()) {
      const document = formatNotebook(notebook as unknown as Notebook);
      assert.is(formatNotebook(parseNotebook(document)), document);
      await writeFile(join(folder, `${i}.ipynb`), document);
      written.push(document);
    }
    const script = `
import glob, nbformat
for path in glob.glob("${folder}/*.ipynb"):
    nbformat.write(nbformat.read(path, 4), path)`;
    execFileSync(PYTHON, ["-W", "ignore", "-c", script], { stdio: "pipe" });
    for (const [i, document] of written.entries())
      assert.is(await readFile(join(folder, `${i}.ipynb`), "utf8"), document);
  },
);

(available ? test : test.skip)(
  "what is a notebook is what Jupyter's schema says (python3-nbformat)",
  async () => {
    const random = randomGenerator(11);
    const pick = <T>(list: readonly T[]): T => list[random.integer(list.length)];
    const values = [
      null,
      1,
      -1,
      1.5,
      "x",
      "",
      "a,b",
      [],
      ["a"],
      ["a", "a"],
      [1],
      {},
      { a: 1 },
      true,
      "code",
      "stream",
    ];
    type Node = Record<string, unknown>;
    const places = (value: unknown): [Node, string][] =>
      value === null || typeof value !== "object"
        ? []
        : Object.keys(value).flatMap((key) => [
            [value as Node, key] as [Node, string],
            ...places((value as Node)[key]),
          ]);
    const documents = Array.from({ length: 1000 }, () => {
      const raw = JSON.parse(formatNotebook(notebook()));
      Object.assign(raw.metadata, { language_info: { name: "x", mimetype: "y" }, title: "t" });
      Object.assign(raw.cells[1].metadata, { format: "x", name: "n", jupyter: {} });
      Object.assign(raw.cells[2].metadata, { collapsed: true, scrolled: "auto", execution: { a: "b" } });
      const [parent, key] = pick(places(raw));
      const action = random.integer(3);
      if (action === 0) parent[key] = pick(values);
      else if (action === 1 && !Array.isArray(parent)) parent["extra/key"] = pick(values);
      else if (Array.isArray(parent)) parent.splice(Number(key), 1);
      else delete parent[key];
      return raw;
    });
    const path = join(await temporaryFolder(), "documents.json");
    await writeFile(path, JSON.stringify(documents));
    const script = `
import json, os, jsonschema, nbformat
folder = os.path.dirname(nbformat.__file__)
schema = json.load(open(os.path.join(folder, "v4/nbformat.v4.5.schema.json")))
validator = jsonschema.Draft4Validator(schema)
print(json.dumps([validator.is_valid(document) for document in json.load(open("${path}"))]))`;
    const expected = JSON.parse(execFileSync(PYTHON, ["-c", script], { encoding: "utf8" })) as boolean[];
    assert.ok(expected.includes(true) && expected.includes(false));
    for (const [i, document] of documents.entries()) {
      let accepted = true;
      try {
        validateNotebook(document);
      } catch {
        accepted = false;
      }
      assert.is(accepted, expected[i], JSON.stringify(document));
    }
  },
);

test.run();
