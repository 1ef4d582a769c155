/** The debugger's parts that need no kernel. */

import ts from "typescript";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { createCatchFinder } from "../../../kernel/debugger/caught.ts";
import { HASH_SEED, murmur2 } from "../../../kernel/debugger/paths.ts";
import { createReferences, shortText, typeName } from "../../../kernel/debugger/references.ts";
import { statementLines, withoutTypes } from "../../../kernel/debugger/syntax.ts";

test("texts have the hashes that front ends compute", () => {
  // Of ipykernel's murmur2_x86.
  const known: [string, number][] = [
    ["", 3990065800],
    ["a", 2167009006],
    ["ab", 2805137849],
    ["abc", 3350977461],
    ["abcd", 804720481],
    ["let x = 1;\nx + 1", 1337468207],
    ["grüße 🙂 ok", 3473235329],
  ];
  for (const [text, hash] of known) assert.is(murmur2(text, HASH_SEED), hash, text);
});

test("code is known by the lines at which it can stop", () => {
  const code =
    "// one\ninterface A { a: number }\nconst a = 1;\n\nfunction f(\n  x: number,\n) {\n  return x;\n}\nf(\n  a,\n);\ntype B = A;\nconst g = (x: number) =>\n  x;";
  assert.equal(statementLines(ts, code), [3, 8, 9, 10, 14, 15]);
  assert.is(withoutTypes(ts, "(a as number) + 1").trim(), "a + 1;");
});

test("whether a catch handles what is thrown at a place", () => {
  const isCaught = createCatchFinder(ts);
  const text =
    "try {\n  a();\n} catch (e) {\n  b(e);\n}\ntry {\n  c();\n} finally {}\nfunction f() {\n  try {\n    g(() => {\n      h();\n    });\n  } catch {}\n}";
  const caught = [1, 3, 6, 10, 11, 99].map((line) => isCaught({ text, line, column: line === 11 ? 6 : 2 }));
  assert.equal(caught, [true, false, false, true, false, false]);
});

test("values are told and listed without running any of their code", () => {
  const boom = (): never => {
    throw new Error("the value's code ran");
  };
  class Point {
    x = 1;
    get y() {
      return boom();
    }
    [Symbol.for("nodejs.util.inspect.custom")]() {
      return boom();
    }
  }
  const hostile = new Proxy(
    {},
    { get: boom, ownKeys: boom, getPrototypeOf: boom, getOwnPropertyDescriptor: boom },
  );
  const own = Object.defineProperty({ a: 1 }, "b", { get: boom, enumerable: true });
  const { variable, parts } = createReferences();
  for (const value of [new Point(), hostile, own, [hostile], new Map([[hostile, own]])])
    assert.ok(variable("v", value, "v").value.length > 0);
  const listed = parts(variable("own", own, "own").variablesReference);
  assert.equal(
    listed.map(({ name, value, evaluateName }) => [name, value, evaluateName]),
    [
      ["a", "1", "own.a"],
      ["b", "(getter)", undefined],
    ],
  );
  assert.equal(
    [typeName(new Point()), typeName(hostile), typeName(null), typeName(Point)],
    ["Point", "Proxy", "null", "class"],
  );
  assert.is(shortText("a\nb"), "'a\\nb'");
  assert.is(shortText(new RangeError("far")), "RangeError: far");
});

test("long lists come in groups, or a page at a time; sets and maps by what they hold", () => {
  const { variable, parts, owner, clear } = createReferences();
  const list = variable(
    "list",
    Array.from({ length: 25_000 }, (_, i) => i),
    "list",
  );
  const groups = parts(list.variablesReference);
  assert.equal([groups.length, groups.at(-1)?.name], [3, "[20000 … 24999]"]);
  const inner = parts(groups[2].variablesReference);
  assert.equal([inner.length, inner[49].name], [50, "[24900 … 24999]"]);
  const last = parts(inner[49].variablesReference).at(-1);
  assert.equal([last?.name, last?.value, last?.evaluateName], ["24999", "24999", "list[24999]"]);
  assert.equal(
    parts(list.variablesReference, 24_999, 10).map(({ name }) => name),
    ["24999"],
  );
  const map = variable(
    "map",
    new Map<unknown, unknown>([
      ["k", 1],
      [{ deep: 1 }, 2],
    ]),
  );
  assert.equal(
    parts(map.variablesReference).map(({ name, value }) => [name, value]),
    [
      ["'k'", "1"],
      ["{ deep: 1 }", "{ key: { deep: 1 }, value: 2 }"],
    ],
  );
  assert.equal(parts(variable("set", new Set([5])).variablesReference)[0].value, "5");
  assert.ok(Array.isArray(owner(list.variablesReference)));
  clear();
  assert.throws(() => parts(list.variablesReference), /refers to nothing/);
});

test.run();
