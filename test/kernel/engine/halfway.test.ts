/** A compiler that is stopped or fails in the middle of its work. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openSession } from "./helpers.ts";

const { engine, run, fails } = await openSession({ "local.ts": "export const l = 4;" });
const { sys } = engine.ts;

/** Has the compiler's next look at a file that it has not read yet fail. */
function failOnce(): void {
  const { readFile } = sys;
  sys.readFile = () => {
    sys.readFile = readFile;
    throw new Error("half-way");
  };
}

test("the next cell finds a whole compiler, at the start and later", async () => {
  failOnce();
  assert.match(await fails("1 + 1"), /half-way/);
  assert.is(await run("1 + 1"), 2);
  failOnce();
  assert.match(await fails('import { l } from "./local.ts"; l'), /half-way/);
  assert.is(await run('import { l } from "./local.ts"; l'), 4);
  assert.match(engine.inspect("l", 1, 0)!.signature, /\bl\b.*4/);
});

test.run();
