/** What completes from live values, and what names are suggested to be imported. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openSession } from "./helpers.ts";

const { engine, run, fails } = await openSession();
const complete = (code: string) => {
  const { matches, start, end } = engine.complete(code, code.length);
  return { names: matches.map(({ text }) => text), word: code.slice(start, end) };
};

test("members of values that the compiler knows nothing of are completed", async () => {
  await run(`const data = JSON.parse('{"alpha": {"beta": [1], "two words": 3}, "al2": 5}');
    const things: any[] = [{ q: 1 }]; const m: unknown = new Map(); class P { x = 1; go() {} } const p: any = new P();`);
  assert.equal(complete("data."), { names: ["alpha", "al2"], word: "" });
  assert.equal(complete("f(data.alpha.b"), { names: ["beta"], word: "b" });
  assert.equal(complete('data["al'), { names: ["alpha", "al2"], word: "al" });
  assert.equal(complete('data.alpha["'), { names: ["beta", "two words"], word: "" });
  assert.equal(complete("things[0]."), { names: ["q"], word: "" });
  assert.equal(complete("p."), { names: ["x", "go"], word: "" });
  assert.ok(complete("m.").names.includes("entries"));
  assert.equal(complete("nothing.x").names, []);
});

test("nothing of the notebook's is called for it", async () => {
  await run(`let calls = 0; const watched: any = { get g() { calls++; return { a: 1 } } };
    const trap: any = new Proxy({}, { ownKeys() { calls++; return [] }, get() { calls++; return {} } });`);
  assert.equal(complete("watched.").names, ["g"]);
  assert.equal(complete("watched.g.").names, []);
  assert.equal(complete("trap.").names, []);
  assert.equal(complete("trap.a.").names, []);
  assert.is(await run("calls"), 0);
});

test("what a module exports is suggested where a name is missing", async () => {
  const message = await fails("readFileSync('x'); basename('y')");
  assert.match(message, /Note: it may be meant: import \{ readFileSync \} from "node:fs"\./);
  assert.match(message, /Note: it may be meant: import \{ basename \} from "node:path", or /);
  assert.not.match(await fails("nothingOfThisNameAnywhere"), /Note/);
});

test.run();
