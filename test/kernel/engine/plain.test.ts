/** A script that is written without the compiler does what the compiler's does, and leads back to the same places. */
import ts from "typescript";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { plainScript } from "../../../kernel/engine/plain.ts";
import { asCommonJS, type CommonJS, cellScript } from "../../../kernel/engine/script.ts";
import { createTranspiler } from "../../../kernel/engine/transpile.ts";
import { openSession } from "./helpers.ts";

const transpile = createTranspiler(ts, asCommonJS(ts));

/** A cell's module as tslab makes it: JavaScript, which ends in what it exports; names after `mark` are where it is looked for. */
const PLAIN: Record<string, string> = {
  "the value of an expression": "export const tsLastExpr = mark1 + 1;\nexport {};\n",
  "constants and what they are used by":
    "const a = mark1, [b, { c = 2, ...d }] = [a, { e: 5 }];\nfunction f() { return mark2 + a; }\nexport const tsLastExpr = f();\nexport { a, b, c, d, f };\n",
  "functions before they are declared":
    "const early = f(3);\nfunction f(n) { return n * mark1; }\nasync function g() { return mark2; }\nfunction* h() { yield mark2; }\nexport { early, f, g, h };\n",
  classes:
    "class A {\n    #x = mark1;\n    static y = mark2;\n    get x() { return this.#x; }\n}\nclass B extends A {\n}\nexport const tsLastExpr = new B().x;\nexport { A, B };\n",
  "statements and comments":
    "// first\nif (mark1) {\n    const inner = 1;\n} // after\nconst a = 1; /* b */\nfor (const i of [1]) {\n    mark2;\n}\nexport { a };\n",
  "what is not exported": "const hidden = mark1;\nconst a = hidden + mark2;\nexport { a };\n",
  nothing: "export {};\n",
};

/** Modules that the compiler has to write. */
const OTHERS: Record<string, string> = {
  "a variable": "let a = mark1;\na++;\nexport { a };\n",
  "var in a block": "if (mark1) {\n    var a = 1;\n}\nexport { a };\n",
  "an import": 'import { x } from "y";\nconst a = x;\nexport { a };\n',
  "an export from elsewhere": 'export { x } from "y";\n',
  "an export by another name": "const a = 1;\nexport { a as b };\n",
  "a default": "export default 7;\nexport {};\n",
  "a constant that is called exports": "const exports = 3;\nexport { exports };\n",
  "an enumeration": 'var E;\n(function (E) {\n    E[E["A"] = 0] = "A";\n})(E || (E = {}));\nexport { E };\n',
  "a resource": "using a = mark1;\nexport { a };\n",
};

/** Lines and columns that say where they are: each character is its own place. */
const identity = (text: string): string => {
  const file = ts.createSourceFile("cell.ts", text, ts.ScriptTarget.ES2022, true);
  const { sourceMapText } = ts.transpileModule(file.text, {
    fileName: "cell.ts",
    compilerOptions: { sourceMap: true, target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
  });
  return sourceMapText!;
};

const scripts = (text: string): CommonJS[] =>
  [true, false].map((isChecked) => cellScript(ts, transpile, { text, map: identity(text), isChecked }));

/** What a script exports, in the end and where it fails half-way. */
function exportsOf({ code }: CommonJS, marks: number[]): unknown {
  const exports: Record<string, unknown> = { a: "of an earlier cell", untouched: 1 };
  let error: unknown;
  try {
    new Function("exports", "mark1", "mark2", code)(exports, ...marks);
  } catch (thrown) {
    error = (thrown as Error).name;
  }
  const shown = (value: unknown) => (typeof value === "function" ? `${value.name} ${typeof value}` : value);
  return {
    error,
    exports: Object.fromEntries(
      Object.entries(exports)
        .map(([name, value]) => [name, shown(value)])
        .sort(),
    ),
  };
}

/** Where the marks of a script were in the module. */
const places = ({ code, original }: CommonJS): unknown =>
  code
    .split("\n")
    .flatMap((line, row) =>
      [...line.matchAll(/\bmark\d/g)].map(({ 0: mark, index }) => [mark, original(row + 1, index + 1)]),
    );

for (const [what, text] of Object.entries(PLAIN))
  test(what, () => {
    assert.ok(plainScript(ts, ts.createSourceFile("cell.js", text, ts.ScriptTarget.ES2022, true)));
    const [plain, compiled] = scripts(text);
    assert.equal(exportsOf(plain, [1, 2]), exportsOf(compiled, [1, 2]));
    assert.equal([...plain.declared].sort(), [...compiled.declared].sort());
    assert.equal(plain.imports, compiled.imports);
    const found = places(plain);
    assert.equal(found, places(compiled));
    const expected = [...text.matchAll(/\bmark\d/g)].map(({ index }) => {
      const before = text.slice(0, index).split("\n");
      return { line: before.length, column: before.at(-1)!.length + 1 };
    });
    assert.equal(
      (found as [string, unknown][]).map(([, place]) => place),
      expected,
    );
  });

test("a constant that is declared anew is gone where its cell fails before", () => {
  const [plain, compiled] = scripts(
    "throw new RangeError();\nconst a = 1;\nfunction f() { }\nexport { a, f };\n",
  );
  assert.equal(exportsOf(plain, []), exportsOf(compiled, []));
  assert.equal(exportsOf(plain, []), {
    error: "RangeError",
    exports: { a: undefined, f: "f function", untouched: 1 },
  });
});

for (const [what, text] of Object.entries(OTHERS))
  test(`${what} needs the compiler`, () => {
    assert.is(plainScript(ts, ts.createSourceFile("cell.js", text, ts.ScriptTarget.ES2022, true)), undefined);
  });

test("a function that a cell replaces against the compiler's word is the same to later cells", async () => {
  const { run } = await openSession();
  await run("function f() { return 1 }");
  await run("function g() { return 1 }\n// @ts-ignore\ng = () => 2");
  assert.is(await run("g()"), 2);
  await run("// @ts-nocheck\nfunction h() { return 1 }\nh = () => 3");
  assert.is(await run("f() + h()"), 4);
});

test.run();
