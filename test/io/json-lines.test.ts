import { appendFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { appendJsonLine, readJsonLines, truncateJsonLines } from "../../lib/io/index.ts";
import { rejects, temporaryFolder } from "./helpers.ts";

interface Entry {
  step: number;
  text?: string;
}

async function log(...steps: number[]): Promise<string> {
  const path = join(await temporaryFolder(), "run", "log.jsonl");
  for (const step of steps) await appendJsonLine(path, { step });
  return path;
}

test("reads back what was appended", async () => {
  const path = await log(1, 2);
  await appendJsonLine(path, { step: 3, text: "zwei\nZeilen ü" });
  assert.equal(await readJsonLines<Entry>(path), [
    { step: 1 },
    { step: 2 },
    { step: 3, text: "zwei\nZeilen ü" },
  ]);
});

test("leaves out a last line that was cut off, at every byte", async () => {
  const path = await log(1);
  const line = Buffer.from('{"step":22,"text":"ü"}\n');
  const start = await readFile(path);
  for (let length = 0; length <= line.length; length++) {
    await writeFile(path, Buffer.concat([start, line.subarray(0, length)]));
    const steps = (await readJsonLines<Entry>(path)).map((entry) => entry.step);
    assert.equal(steps, length >= line.length - 1 ? [1, 22] : [1], `cut at ${length}`);
    await appendJsonLine(path, { step: 3 });
    const after = (await readJsonLines<Entry>(path)).map((entry) => entry.step);
    assert.equal(after, [...steps, 3], `appended after a cut at ${length}`);
  }
});

test("names a damaged line elsewhere, and a missing file", async () => {
  const path = await log(1);
  await appendFile(path, 'not json\n{"step":3}\n');
  await rejects(readJsonLines(path), /Line 2 of .*log\.jsonl is not JSON: "not json"/);
  await rejects(
    truncateJsonLines(path, () => true),
    /Line 2 of/,
  );
  await rejects(readJsonLines(`${path}.none`), /log\.jsonl\.none: there is no such file/);
});

test("drops the entries after a checkpoint", async () => {
  const path = await log(1, 2, 3);
  await appendFile(path, '{"step":4');
  assert.is(await truncateJsonLines<Entry>(path, ({ step }) => step <= 2), 1);
  assert.is(await readFile(path, "utf8"), '{"step":1}\n{"step":2}\n');
  assert.is(await truncateJsonLines(`${path}.none`, () => false), 0);
});

test.run();
