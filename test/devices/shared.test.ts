/** Eager tensors and compiled functions on one GPU, on the GPUs that processors play. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { drivers, linesOf } from "./helpers.ts";

for (const { name, env, missing } of drivers) {
  if (missing) {
    test.skip(`${name}: eager tensors and compiled functions share a GPU (${missing} is not installed)`, () => {});
    continue;
  }
  test(`${name}: eager tensors and compiled functions share a GPU`, async () => {
    const results = await linesOf<{ name: string; error?: string }>("shared-child.ts", [], env);
    assert.equal(
      results.filter(({ error }) => error !== undefined),
      [],
    );
    const source = await readFile(join(import.meta.dirname, "shared-child.ts"), "utf8");
    assert.is(results.length, [...source.matchAll(/^ {2}"[^"]+": async/gm)].length);
  });
}

test.run();
