/**
 * `ditlab train` on several ranks, one of which is killed or stopped at a random moment: all end, by one sentence, and the run
 * goes on from its last checkpoint. More often with DITLAB_RANK_FAULTS=50; DITLAB_RANDOM_SEED repeats what failed.
 */
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { readJsonLines } from "../../lib/io/index.ts";
import { randomGenerator } from "../../lib/tensor/index.ts";
import { type LogEntry, latestCheckpoint, listCheckpoints } from "../../lib/train/index.ts";
import { smallConfig } from "../train/small.ts";
import { LAUNCHERS, type Launcher, launch } from "./helpers.ts";
import { data, hasCheckpoint, model, processesOf, sentences, trainCommand, until } from "./train-command.ts";

const seed = Number(process.env.DITLAB_RANDOM_SEED ?? Date.now() % 1e6);
const FAULTS = Number(process.env.DITLAB_RANK_FAULTS ?? 4);
/** Seconds: a busy machine may keep a rank from its step for some. */
const PATIENCE = 12;
console.log(`seed ${seed}, ${FAULTS} faults`);
const random = randomGenerator(seed);

/** Lets a fault happen to a rank of a run. */
async function fault(engine: Launcher, signal: "SIGKILL" | "SIGSTOP", computes: boolean): Promise<void> {
  const ranks = 2 + random.integer(2);
  const victim = random.integer(ranks);
  const { out, args } = await trainCommand(PATIENCE);
  const moment = 2000 * random.uniform();
  const what = `${signal} to rank ${victim} of ${ranks} (${computes ? "computing" : "watching"}) after ${moment.toFixed(0)} ms by ${engine.name}`;
  let began = 0;
  const { code, stdout, stderr } = await launch(engine, ranks, args, async () => {
    await until(() => hasCheckpoint(out));
    await sleep(moment);
    const found = processesOf(out).find((one) => one.rank === victim && one.computes === computes);
    assert.ok(found, what);
    began = Date.now();
    process.kill(found.pid, signal);
  });
  const seconds = (Date.now() - began) / 1000;
  console.log(`${what}: ended after ${seconds.toFixed(1)} s`);
  assert.is.not(code, 0, what);
  assert.is.not(code, 124, `${what}: hung`);
  const said = sentences(stdout + stderr);
  assert.is(said.length, 1, `${what}: ${stdout}${stderr}`);
  const expected =
    signal === "SIGKILL"
      ? `^ditlab: rank ${victim} of ${ranks} on \\S+ was ended by SIGKILL, .*; last good checkpoint: (.*)$`
      : `^ditlab: rank ${victim} of ${ranks} did not come within ${PATIENCE} s to where the others wait; last good checkpoint: (.*)$`;
  const [, checkpoint] = new RegExp(expected).exec(said[0]) ?? [];
  assert.ok(checkpoint, `${what}: ${said[0]}`);
  assert.ok(existsSync(checkpoint), `${what}: ${checkpoint}`);
  await until(() => processesOf(out).length === 0, 10);
  // All is whole, and can be gone on with.
  assert.ok(await latestCheckpoint(join(out, "checkpoints")), what);
  await readJsonLines<LogEntry>(join(out, "metrics.jsonl"));
}

for (const engine of LAUNCHERS) {
  const run = engine.isInstalled ? test : test.skip;
  const named = (what: string): string =>
    `${engine.name}${engine.isInstalled ? "" : " (not installed)"}: ${what}`;

  run(named("a rank that is killed or stopped ends all of them by one sentence"), async () => {
    for (let i = 0; i < FAULTS / 2; i++) {
      const signal = i % 2 === 0 ? "SIGKILL" : "SIGSTOP";
      // The other process of a rank is small, and does nothing that could hang.
      await fault(engine, signal, signal === "SIGSTOP" || random.integer(3) > 0);
    }
  });

  run(named("a signal to one rank's process stops all of them after a step, saved once"), async () => {
    const { out, args } = await trainCommand(PATIENCE);
    const { code, stdout, stderr } = await launch(engine, 2, args, async () => {
      await until(() => hasCheckpoint(out));
      process.kill(processesOf(out).find(({ rank, computes }) => rank === 0 && !computes)!.pid, "SIGINT");
    });
    assert.is.not(code, 124, "hung");
    const [, step] = /Saved step (\d+)\. Go on with: ditlab train/.exec(stdout + stderr) ?? [];
    const newest = (await listCheckpoints(join(out, "checkpoints"))).at(-1)!;
    assert.is(newest.step, Number(step));
    assert.equal(sentences(stdout + stderr), []);
    const more = await launch(engine, 2, [
      ...["lib/cli/bin.js", "train", "--dataset", "mnist", "--data", data, "--out", out, "--resume"],
      ...["--steps", String(newest.step + 3)],
    ]);
    assert.is(more.code, 0, more.stderr);
    assert.match(more.stdout, new RegExp(`^${newest.step + 3} steps done: `, "m"));
    const entries = await readJsonLines<LogEntry>(join(out, "metrics.jsonl"));
    assert.equal([entries.at(-1)!.step, entries.at(-1)!.ranks], [newest.step + 3, 2]);
  });

  run(named("what is wrong with a run is said once"), async () => {
    const { out, args } = await trainCommand(PATIENCE);
    await writeFile(`${out}.json`, JSON.stringify(smallConfig({ model, steps: -1 })));
    const { code, stdout, stderr } = await launch(engine, 2, args);
    assert.is.not(code, 0);
    assert.is(sentences(stdout + stderr).length, 1, stdout + stderr);
    assert.match(sentences(stdout + stderr)[0], /steps must be .*, got -1/);
  });
}

test.run();
