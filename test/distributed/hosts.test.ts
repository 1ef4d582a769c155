/** Ranks on two hosts, with a network between them that fails. */
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { readSafetensors } from "../../lib/io/index.ts";
import { latestCheckpoint, listCheckpoints } from "../../lib/train/index.ts";
import { ditlab } from "../cli/helpers.ts";
import { LAUNCHERS, launch } from "./helpers.ts";
import { makeHosts } from "./hosts.ts";
import { hasCheckpoint, processesOf, sentences, trainCommand, until } from "./train-command.ts";

/** Seconds that ranks wait for each other. */
const PATIENCE = 10;
process.env.DITLAB_THREADS = "1";

const hosts = await makeHosts();
const can = typeof hosts === "object";
if (!can) console.log(hosts);
test.after(() => {
  if (can) hosts.close();
});
process.on("exit", () => can && hosts.close());

const numbersOf = async (out: string) => {
  const newest = (await listCheckpoints(`${out}/checkpoints`)).at(-1)!;
  return Object.entries((await readSafetensors(newest.path)).tensors);
};

for (const engine of LAUNCHERS) {
  const run = engine.isInstalled && can ? test : test.skip;
  const missing = engine.isInstalled ? " (no network namespaces)" : " (not installed)";
  const named = (what: string): string =>
    `${engine.name}${engine.isInstalled && can ? "" : missing}: ${what}`;

  run(named("two hosts train as one process does, though their cable is pulled for a while"), async () => {
    if (!can) return;
    const { out, args } = await trainCommand(PATIENCE, 60);
    const between = hosts.launcher(engine);
    const { code, stdout, stderr } = await launch(between, 2, [...args, "--micro-batches", "2"], async () => {
      await until(() => hasCheckpoint(out));
      hosts.cut();
      await sleep(3000);
      hosts.mend();
    });
    assert.is(code, 0, stdout + stderr);
    assert.equal(sentences(stdout + stderr), []);
    const alone = await trainCommand(PATIENCE, 60);
    const one = await ditlab([...alone.args.slice(1), "--micro-batches", "2"]);
    assert.is(one.code, 0, one.stderr);
    assert.equal(await numbersOf(out), await numbersOf(alone.out));
  });

  run(named("a host that vanishes ends the other one's rank by one sentence"), async () => {
    if (!can) return;
    const { out, args } = await trainCommand(PATIENCE);
    let seconds = 0;
    const { stdout, stderr } = await launch(hosts.launcher(engine), 2, args, async () => {
      await until(() => hasCheckpoint(out));
      hosts.cut();
      hosts.kill("b");
      const began = Date.now();
      await until(() => processesOf(out).length === 0);
      seconds = (Date.now() - began) / 1000;
      // The launchers wait for the other host: a scheduler would end them.
      hosts.kill("a");
    });
    hosts.mend();
    console.log(`${engine.name}: ended after ${seconds.toFixed(1)} s`);
    const said = sentences(stdout + stderr);
    assert.is(said.length, 1, stdout + stderr);
    const [, checkpoint] =
      /^ditlab: rank 1 of 2 did not come within 10 s to where the others wait; last good checkpoint: (.*)$/.exec(
        said[0],
      ) ?? [];
    assert.ok(checkpoint && existsSync(checkpoint), said[0]);
    assert.ok(await latestCheckpoint(`${out}/checkpoints`));
  });
}

test.run();
