/** What is read of runs that grow, are cut, written over and vanish. */
import { appendFile, mkdir, rename, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { runScanner } from "../../lib/watch/index.ts";
import { findQueues } from "../../lib/watch/queues.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { smallConfig } from "../train/small.ts";

const line = (step: number, more = {}): string =>
  `${JSON.stringify({ step, generative: 1 / step, sra: 0.5, gradientNorm: 2, stepSeconds: 0.1, ...more })}\n`;

async function makeRun(folder: string, steps = 100): Promise<string> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "config.json"), JSON.stringify(smallConfig({ steps })));
  return join(folder, "metrics.jsonl");
}

test("a run's log is followed as it grows, whole lines alone", async () => {
  const folder = await temporaryFolder();
  const scan = runScanner(folder);
  assert.equal(await scan(), []);
  const log = await makeRun(join(folder, "a"));
  const [begun] = await scan();
  assert.equal(
    [begun.id, begun.step, begun.steps, begun.state, begun.methods],
    ["a", 0, 100, "training", ["sra"]],
  );
  await writeFile(log, line(1) + line(2).slice(0, 20));
  assert.equal((await scan())[0].curves, {
    step: [1],
    values: { generative: [1], sra: [0.5], gradientNorm: [2], stepSeconds: [0.1] },
  });
  await appendFile(log, line(2).slice(20) + line(3, { generative: null }));
  const [run] = await scan();
  assert.equal(run.curves.step, [1, 2, 3]);
  assert.equal(run.curves.values.generative, [1, 0.5, null]);
  assert.equal([run.step, run.stepSeconds, run.losses], [3, 0.1, ["generative", "sra"]]);
  assert.ok(Math.abs(run.secondsLeft! - 9.7) < 1e-9);
  // A line that a kill has cut in two is passed over.
  await appendFile(log, `{"step":4,"gen\n${line(5)}`);
  assert.equal((await scan())[0].curves.step, [1, 2, 3, 5]);
});

test("how many ranks made a step is no loss", async () => {
  const folder = await temporaryFolder();
  await writeFile(await makeRun(join(folder, "a")), line(1, { ranks: 4 }));
  assert.equal((await runScanner(folder)())[0].losses, ["generative", "sra"]);
});

test("a log that is written over, shorter or another file, is read anew", async () => {
  const folder = await temporaryFolder();
  const scan = runScanner(folder);
  const log = await makeRun(join(folder, "a"));
  await writeFile(log, [1, 2, 3, 4].map((step) => line(step)).join(""));
  assert.is((await scan())[0].step, 4);
  // As a resumed run cuts off what is behind its checkpoint: under another name, then renamed.
  await writeFile(`${log}.tmp`, line(1) + line(2));
  await rename(`${log}.tmp`, log);
  assert.equal((await scan())[0].curves.step, [1, 2]);
  await writeFile(log, line(1));
  assert.equal((await scan())[0].curves.step, [1]);
});

test("a run is done with its last step, and quiet when its log stays as it is", async () => {
  const folder = await temporaryFolder();
  const scan = runScanner(folder);
  const log = await makeRun(join(folder, "a"));
  await writeFile(log, line(50));
  assert.is((await scan())[0].state, "training");
  const minuteAgo = new Date(Date.now() - 60_000);
  await utimes(log, minuteAgo, minuteAgo);
  assert.is((await scan())[0].state, "quiet");
  await appendFile(log, line(100));
  const [{ state, secondsLeft }] = await scan();
  assert.equal([state, secondsLeft], ["done", 0]);
});

test("runs are found below, others and half-written ones are not, and what vanishes is gone", async () => {
  const folder = await temporaryFolder();
  const scan = runScanner(folder);
  await writeFile(await makeRun(join(folder, "demo", "baseline-seed2")), line(1));
  await writeFile(await makeRun(join(folder, "demo", "sra-seed2")), line(1));
  await makeRun(join(folder, "demo", "sra-seed2", "checkpoints", "no-run"));
  for (const [name, text] of [
    ["half", '{"steps": 10, "mod'],
    ["other", '{"name": "no run"}'],
    ["null", "null"],
  ]) {
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, "config.json"), text);
  }
  const ids = async (): Promise<string[]> => (await scan()).map(({ id }) => id);
  assert.equal(await ids(), ["demo/baseline-seed2", "demo/sra-seed2"]);
  await rm(join(folder, "demo", "sra-seed2"), { recursive: true });
  assert.equal(await ids(), ["demo/baseline-seed2"]);
  await rm(folder, { recursive: true });
  assert.equal(await ids(), []);
});

test("the folder itself may be a run, with its newest samples", async () => {
  const folder = await temporaryFolder();
  await writeFile(await makeRun(folder), line(1));
  const scan = runScanner(folder);
  assert.not.ok("samples" in (await scan())[0]);
  await writeFile(join(folder, "samples.png"), "");
  assert.is((await scan())[0].samples!.file, "samples.png");
  await mkdir(join(folder, "samples"));
  for (const step of ["00000050", "00000100", "00000099"])
    await writeFile(join(folder, "samples", `step-${step}.png`), "");
  assert.is((await scan())[0].samples!.file, "samples/step-00000100.png");
  assert.not.ok("captions" in (await scan())[0].samples!);
  await writeFile(join(folder, "samples", "captions.txt"), "a red 7\na blue 1\n");
  assert.equal((await scan())[0].samples!.captions, ["a red 7", "a blue 1"]);
});

test("what a run's monitor sees is followed too", async () => {
  const folder = await temporaryFolder();
  const scan = runScanner(folder);
  const log = await makeRun(join(folder, "a"));
  await writeFile(log, line(1));
  assert.not.ok("monitor" in (await scan())[0]);
  const seen = (step: number) => ({
    ...{ step, studentNorms: [step, 2 * step], averageNorms: [1, 2] },
    ...{ similarity: { sra: [0.5, 0.1] }, shares: { sra: 0.2 / step } },
  });
  const monitor = join(folder, "a", "monitor.jsonl");
  await writeFile(monitor, `${JSON.stringify(seen(1))}\n`);
  await scan();
  await appendFile(monitor, `${JSON.stringify(seen(2))}\n{"step": 3, "stu`);
  const { shares: _, ...newest } = seen(2);
  assert.equal((await scan())[0].monitor, { step: [1, 2], shares: { sra: [0.2, 0.1] }, newest });
  // Logs from before there was a monitor, or whose monitor is gone.
  await rm(monitor);
  assert.not.ok("monitor" in (await scan())[0]);
});

test("of long logs some points are shown, the last among them", async () => {
  const folder = await temporaryFolder();
  const steps = Array.from({ length: 5000 }, (_, i) => i + 1);
  await writeFile(await makeRun(join(folder, "a"), 10_000), steps.map((step) => line(step)).join(""));
  const [{ curves }] = await runScanner(folder)();
  assert.is(curves.step.length, 400);
  assert.equal([curves.step[0], curves.step[399]], [13, 5000]);
  assert.is(curves.values.generative.length, 400);
});

test("queues are found in the folders that their jobs fill, and half a file is passed over", async () => {
  const folder = await temporaryFolder();
  const state = { jobs: 4, done: 1, failed: 0, begun: 2, work: 30, total: 120 };
  const file = { format: "ditlab-queue/1", id: "x", changed: 5, state };
  for (const [name, text] of [
    ["reproduce/tiny-mnist", JSON.stringify(file)],
    ["samples.npz.parts", JSON.stringify({ ...file, changed: 6 })],
    ["half", JSON.stringify(file).slice(0, 50)],
    ["another", '{"format":"other"}'],
  ]) {
    await mkdir(join(folder, name), { recursive: true });
    await writeFile(join(folder, name, "queue.json"), text);
  }
  assert.equal(await findQueues(folder), [
    { id: "reproduce/tiny-mnist", changed: 5, state },
    { id: "samples.npz.parts", changed: 6, state },
  ]);
  assert.equal(await findQueues(join(folder, "none")), []);
});

test.run();
