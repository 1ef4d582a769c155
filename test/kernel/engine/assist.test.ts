/** What an editor is told of code that is being written. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openSession } from "./helpers.ts";

const { engine, run } = await openSession({
  "02-parts.ts": "export const a = 1;",
  "02.json": "{}",
  "notes.txt": "",
  "sub/deep.mts": "export const b = 1;",
});
await run('const v = { alpha: 1, beta: 2 }; const un = "alpha" as "alpha" | "beta" | "gamma";');
await run(
  "/** Adds.\n * @param a the first */\nfunction addd(a: number, b = 2, ...rest: string[]) { return a + b; }",
);
await run(
  "/** A point. */\nclass Point {\n  x = 1;\n  /** Moves it. */\n  move(by: number) { return by }\n  bare() {}\n}",
);

/** What the text becomes when the only match, or one of them, is accepted. */
function accepted(code: string, match: string): string {
  const { matches, start, end } = engine.complete(code, code.length);
  assert.ok(
    matches.some(({ text }) => text === match),
    `${code}: ${matches.map(({ text }) => text).slice(0, 20)}`,
  );
  return code.slice(0, start) + match + code.slice(end);
}
const texts = (code: string) => engine.complete(code, code.length).matches.map(({ text }) => text);

test("what stands there is completed, not doubled", () => {
  assert.is(accepted('import x from "node:f', "node:fs"), 'import x from "node:fs');
  assert.is(accepted("await import('node:fs/pr", "node:fs/promises"), "await import('node:fs/promises");
  assert.is(accepted('import y from "./02', "02-parts.ts"), 'import y from "./02-parts.ts');
  assert.is(accepted('import y from "./su', "sub/"), 'import y from "./sub/');
  assert.is(accepted('import y from "./sub/', "deep.mts"), 'import y from "./sub/deep.mts');
  assert.is(accepted('v["a', "alpha"), 'v["alpha');
  assert.is(accepted("un === 'al", "alpha"), "un === 'alpha");
});

test("and only what fits is offered", () => {
  assert.equal(texts('import y from "./02'), ["02-parts.ts", "02.json"]);
  assert.ok(texts('import x from "node:f').every((name) => name.startsWith("node:f")));
  assert.equal(texts('v["a'), ["alpha"]);
  assert.equal(texts("un === 'ga"), ["gamma"]);
});

test("packages of the kernel's own are offered, with their parts", () => {
  assert.ok(texts('import { x } from "ditl').includes("ditlab"));
  assert.ok(texts('import { x } from "fflat').includes("fflate"));
  assert.ok(texts('import { x } from "ditlab/ker').includes("ditlab/kernel"));
});

const shown = (code: string) => engine.inspect(code, code.length, 1);

test("within a call its signature is shown, with the parameter that is being written", () => {
  const signature = "addd(a: number, b?: number, ...rest: string[]): number";
  for (const [code, parameter] of [
    ["addd(", "Parameter 1: a: number"],
    ["addd(1, ", "Parameter 2: b?: number"],
    ["addd(1, 2, 'x', ", "Parameter 3: ...rest: string[]"],
    ["const q = [addd(1, ", "Parameter 2: b?: number"],
  ]) {
    assert.is(shown(code)?.signature, signature, code);
    assert.ok(shown(code)!.documentation.startsWith(parameter), `${code}: ${shown(code)!.documentation}`);
  }
  assert.match(shown("addd(1, ")!.documentation, /\nAdds\./);
  assert.match(shown("Math.max(1, ")!.signature, /^max\(\.\.\.values: number\[\]\): number/);
});

test("a member is explained by its own comment", () => {
  assert.equal(shown("new Point().move"), {
    signature: "(method) Point.move(by: number): number",
    documentation: "Moves it.",
  });
  assert.is(shown("new Point().bare")!.documentation, "");
  assert.is(shown("Point")!.documentation, "A point.");
});

test.run();
