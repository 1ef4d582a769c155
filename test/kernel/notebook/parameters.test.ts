/** Parameters of notebooks. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Notebook } from "../../../kernel/notebook/format.ts";
import { injectParameters, parseParameter } from "../../../kernel/notebook/parameters.ts";
import { notebook } from "./sample.ts";

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

test("declarations are found as the compiler finds them", () => {
  const declaring = (source: string) => {
    const base = notebook();
    Object.assign(base.cells[2], { source });
    return (parameters: Record<string, unknown>) => {
      const { notebook, unknown } = injectParameters(base, parameters);
      return [...notebook.cells[3].source.split("\n").slice(1), ...unknown.map((name) => `unknown ${name}`)];
    };
  };
  const several = declaring(
    "let x: number;\nlet y = 2, z: 'a' | 'b' = 'a';\nvar f: (n: number) => void = g;\n// let hidden = 1\nexport const $k = `let inner = 1`;",
  );
  assert.equal(several({ y: 1 }), ["let y = 1;"]);
  assert.equal(several({ x: 1, z: "b" }), ["let x: number = 1;", "let z: 'a' | 'b' = \"b\";"]);
  assert.equal(several({ f: null, $k: "" }), ["var f: (n: number) => void = null;", 'const $k = "";']);
  assert.equal(several({ hidden: 1 }), ["let hidden = 1;", "unknown hidden"]);
  assert.equal(several({ inner: 1 }), ["let inner = 1;", "unknown inner"]);
  const plain: Notebook = { ...notebook(), cells: notebook().cells.slice(0, 2) };
  const once = injectParameters(plain, { a: 1 }).notebook;
  assert.is(once.cells[0].source, "// Parameters\nlet a = 1;");
  const moved = { ...once, cells: [once.cells[1], once.cells[0], once.cells[2]] };
  const twice = injectParameters(moved, { a: 2 }).notebook;
  assert.equal(
    twice.cells.map(({ source }) => source.split("\n").at(-1)),
    ["", "let a = 2;", ""],
    "where the earlier one was",
  );
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
    [".5", 0.5],
    ["+3", 3],
    ["1.e2", 100],
    ["True", true],
    ["None", null],
    ["1e", "1e"],
    ["-", "-"],
    ["toString", "toString"],
  ];
  for (const [text, value] of cases) assert.equal(parseParameter(text), value);
});

test.run();
