/** `ditlab sample --queue`: batches that workers draw are one file, equal to that of one process to the last byte. */
import { access, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { fromTensor, type NdArray, writeTorch } from "../../lib/io/index.ts";
import { makeNetwork } from "../../lib/models/index.ts";
import { randomGenerator } from "../../lib/tensor/index.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { SMALL_MODEL as CONFIG } from "../models/small.ts";
import { randomParams } from "../samplers/small.ts";
import { endProcess, startCommand, type TestProcess } from "./processes.ts";
import { redisTest, startRedis, until } from "./redis.ts";

const shared = await temporaryFolder();
const arrays: Record<string, NdArray> = {};
for (const [key, tensor] of Object.entries(randomParams(makeNetwork(CONFIG), randomGenerator(1))))
  arrays[key] = await fromTensor(tensor);
await writeFile(join(shared, "sit.json"), JSON.stringify(CONFIG));
await writeTorch(join(shared, "sit.pt"), { ema: arrays });

const sample = (out: string, ...more: string[]): TestProcess =>
  startCommand(shared, [
    ...["sample", "--checkpoint", "sit.pt", "--model", "sit.json", "--steps", "4", "--seed", "3"],
    ...["--count", "22", "--batch-size", "4", "--out", out, ...more],
  ]);

const ended = (process: TestProcess): Promise<void> =>
  until(() => process.child.exitCode !== null, "the end of the command");

const isThere = (path: string): Promise<boolean> =>
  access(join(shared, path)).then(
    () => true,
    () => false,
  );

redisTest("batches of two workers, one of them killed -9, are the images of one process", async () => {
  const redis = await startRedis();
  const alone = sample("alone.npz");
  await ended(alone);
  assert.is(alone.child.exitCode, 0, alone.said());
  const together = sample("together.npz", "--queue", redis.url);
  const worker = (...more: string[]): TestProcess =>
    startCommand(shared, ["worker", "--queue", "--lease", "2", ...more], { DITLAB_QUEUE: redis.url });
  const victim = worker();
  await until(() => isThere("together.npz.parts/00000000.npy"), "the first batch");
  await endProcess(victim, "SIGKILL");
  const heirs = [worker(), worker()];
  await ended(together);
  assert.is(together.child.exitCode, 0, together.said());
  const [one, other] = await Promise.all(
    ["alone.npz", "together.npz"].map((name) => readFile(join(shared, name))),
  );
  assert.ok(one.equals(other), "byte for byte");
  assert.not.ok((await readdir(shared)).includes("together.npz.parts"), "nothing is left behind");
  for (const heir of heirs) await endProcess(heir);
  await redis.kill();
});

redisTest("a batch that cannot be drawn is one sentence, and says why", async () => {
  const redis = await startRedis();
  const asked = sample("lost.npz", "--queue", redis.url);
  await until(() => isThere("lost.npz.parts/queue.json"), "the jobs");
  // Others' batches in the folder, as after another run was put into its place.
  const file = join(shared, "lost.npz.parts/run.json");
  await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, "utf8")), seed: 4 }));
  const worker = startCommand(shared, ["worker", "--queue", redis.url]);
  await ended(asked);
  assert.is(asked.child.exitCode, 1);
  assert.match(asked.said(), /6 of 6 jobs failed, the first lost\.npz from image 0: .*seed was 4, got 3/);
  await endProcess(worker);
  await redis.kill();
});

test.run();
