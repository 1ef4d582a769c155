/** What the kernel leans on inside of tslab and TypeScript: an upgrade must fail here, by name. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { createEngine } from "../../../kernel/engine/engine.ts";
import { TSLAB_VERSION } from "../../../kernel/engine/tslab.ts";
import { watchFlags } from "../../../kernel/runtime/interrupt.ts";
import { root } from "../helpers.ts";

const require = createRequire(import.meta.url);

test("tslab is pinned to the one version whose converter is known", () => {
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  assert.is(dependencies.tslab, TSLAB_VERSION);
  assert.is(require("tslab/package.json").version, TSLAB_VERSION);
  const converter = readFileSync(require.resolve("tslab/dist/converter"), "utf8");
  assert.is(
    createHash("sha256").update(converter).digest("hex"),
    "2c671708872c2ad7c36db9f703e5917571e73a62c4cf67f5abad0bd02c56b832",
    "tslab's converter has changed: read what it calls before changing this",
  );
});

test("every compiler function that is put in the place of another is one that the converter calls", () => {
  const converter = readFileSync(require.resolve("tslab/dist/converter"), "utf8");
  const source = readFileSync(join(root, "kernel/engine/facade.ts"), "utf8");
  const replaced = [...source.matchAll(/replace\("(\w+)"/g)].map(([, name]) => name);
  assert.ok(replaced.length >= 8);
  for (const name of replaced) assert.ok(converter.includes(`ts.${name}`), name);
});

test("every compiler function that the converter calls exists, or is replaced", () => {
  const used = ["converter", "metadata"].flatMap((part) => {
    const text = readFileSync(require.resolve(`tslab/dist/${part}`), "utf8");
    return [...text.matchAll(/\bts\.([A-Za-z]+)/g)].map(([, name]) => name);
  });
  const source = readFileSync(join(root, "kernel/engine/facade.ts"), "utf8");
  const ts = require("typescript");
  for (const name of new Set(used)) assert.ok(name in ts || source.includes(`replace("${name}"`), name);
});

watchFlags(new Int32Array(new SharedArrayBuffer(16)));
const folder = mkdtempSync(join(tmpdir(), "ditlab-engine-"));
const engine = createEngine({ folder, globals: [] });
const run = async (code: string) => {
  const outcome = await engine.run(code, "cell[1]");
  return outcome.status === "ok" ? outcome.value : `${outcome.ename}: ${outcome.evalue}`;
};

test("cells run, share what they declare and fail with TypeScript's errors", async () => {
  assert.is(await run("let a = 1; const f = () => ++a; a + 1"), 2);
  assert.is(await run("f(); a"), 2);
  assert.is(await run("a = 10; f()"), 11);
  assert.equal(await run("({ a })"), { a: 11 });
  assert.is(await run("await Promise.resolve(a)"), 11);
  assert.is(
    await run("const b: string = a"),
    "TypeScriptError: TS2322: Type 'number' is not assignable to type 'string'.",
  );
  assert.is(await run("null.x"), "TypeScriptError: TS18050: The value 'null' cannot be used here.");
  assert.is(await run("throw new RangeError('r')"), "RangeError: r");
  assert.is(await engine.evaluate("a * 2"), 22);
});

test("what tslab was loaded with is not what cells get", () => {
  const semver = createRequire(require.resolve("tslab/package.json"))("semver");
  assert.is(semver.valid("1.2.3"), "1.2.3");
});

test("names are completed and explained", () => {
  const { matches, start, end } = engine.complete("Math.sqr", 8);
  assert.ok(matches.some(({ text, kind }) => text === "sqrt" && kind === "method"));
  assert.equal([start, end], [5, 8]);
  assert.match(engine.inspect("Math.sqrt", 9, 0)!.signature, /sqrt\(x: number\): number/);
  assert.match(engine.inspect("Math.sqrt", 9, 1)!.documentation, /square root/);
  assert.is(engine.inspect("   ", 1, 0), undefined);
});

test("what is complete, unfinished and wrong", () => {
  assert.is(engine.isComplete("1 + 1").status, "complete");
  assert.equal(engine.isComplete("function f() {"), { status: "incomplete", indent: "  " });
  assert.is(engine.isComplete("`open").status, "incomplete");
  assert.is(engine.isComplete("const = 1;\n2").status, "invalid");
});

test.run();
