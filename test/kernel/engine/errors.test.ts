/** Whatever is thrown is told whole. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openSession } from "./helpers.ts";

const { engine, fails } = await openSession();

test("values that are no errors are shown as values", async () => {
  assert.match(await fails("throw { code: 5, list: [1] }"), /^Thrown: \{ code: 5, list: \[ 1 \] \}\n/);
  assert.match(await fails('throw "text"'), /^Thrown: text\n/);
  assert.match(await fails("throw null"), /^Thrown: null\n/);
  assert.match(await fails("throw () => 1"), /^Thrown: \[Function \(anonymous\)\]\n/);
  assert.match(await fails("throw new Map([[1, 2]])"), /^Thrown: Map\(1\) \{ 1 => 2 \}\n/);
});

test("errors are told with their properties, their causes and the errors that they gather", async () => {
  const own = await fails('throw Object.assign(new Error("own"), { code: "E1", details: { a: [1] } })');
  assert.match(own, /\n\{ code: 'E1', details: \{ a: \[ 1 \] \} \}\n/);
  assert.match(await fails('throw new Error("x", { cause: { a: 1 } })'), /\nCaused by Thrown: \{ a: 1 \}/);
  const any = await fails(
    'await Promise.any([Promise.reject(new Error("i1")), Promise.reject(new TypeError("i2"))])',
  );
  assert.match(any, /\nError 1 of 2: Error: i1\n[\s\S]*\nError 2 of 2: TypeError: i2\n/);
  const many = await fails('throw new AggregateError(Array.from({ length: 13 }, (_, i) => i), "many")');
  assert.match(many, /\nError 10 of 13: Thrown: 9\n\n… 3 more errors$/);
});

test("errors that hold themselves end", async () => {
  const text = await fails(
    'const a = new Error("a"), b = new Error("b", { cause: a }); a.cause = b; (a as any).self = a; throw a',
  );
  assert.match(text, /^Error: a\n[\s\S]*\nCaused by Error: b\n/);
  assert.is(text.split("Caused by").length, 2);
});

test("what cannot be read is told all the same", async () => {
  assert.match(
    await fails("throw { toString() { throw 1 } }"),
    /^Thrown: \{ toString: \[Function: toString\] \}/,
  );
  assert.match(
    await fails('throw Object.defineProperty(new Error("g"), "x", { enumerable: true, get() { throw 1 } })'),
    /\n\{ x: \[Getter\] \}\n/,
  );
});

test("errors are told in the front end's own colour, which is legible in each theme", async () => {
  for (const code of ['const wrong: number = "text";', "throw new Error('x')", "f(1", "throw 5"]) {
    const outcome = await engine.run(code, "cell[99]");
    assert.is(outcome.status, "error");
    const told = outcome.status === "error" ? outcome.traceback.join("\n") : "";
    const escapes = told.split("\u001b").slice(1);
    assert.ok(escapes.length > 0, code);
    assert.ok(
      escapes.every((one) => /^\[[01]m/.test(one)),
      `${code}: ${JSON.stringify(told)}`,
    );
  }
});

test.run();
