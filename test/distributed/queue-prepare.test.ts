/** `ditlab prepare --queue`: what workers make of parts is the folder of one process, to the last byte. */
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { prepareLatents } from "../../lib/data/index.ts";
import { readVAE } from "../../lib/vae/index.ts";
import { png, writeFiles } from "../data/images.ts";
import { fixture, temporaryFolder } from "../io/helpers.ts";
import { endProcess, startCommand, type TestProcess } from "./processes.ts";
import { redisTest, startRedis, until } from "./redis.ts";

const IMAGES = 40;
const shared = await temporaryFolder();
for (let i = 0; i < IMAGES; i++) await writeFiles(shared, { [`images/${i}.png`]: await png(16, 16, i) });
await writeFiles(shared, { "images/33-broken.png": "no image" });
await mkdir(join(shared, "vae"));
await cp(fixture("vae-config.json"), join(shared, "vae/config.json"));
await cp(fixture("vae.safetensors"), join(shared, "vae/diffusion_pytorch_model.safetensors"));

const latents = (out: string, ...more: string[]): TestProcess =>
  startCommand(shared, ["prepare", "latents", "images", out, "--vae", "vae", ...more]);

const ended = (process: TestProcess): Promise<void> =>
  until(() => process.child.exitCode !== null, "the end of the command");

const filesOf = async (folder: string): Promise<string[]> =>
  (await readdir(join(shared, folder), { recursive: true })).sort();

redisTest("parts of two workers, one of them killed -9, are the latents of one process", async () => {
  const redis = await startRedis();
  const vae = await readVAE(join(shared, "vae"));
  await prepareLatents(join(shared, "images"), join(shared, "alone"), { vae });
  const together = latents("together", "--queue", redis.url);
  const worker = (): TestProcess =>
    startCommand(shared, ["worker", "--queue", "--lease", "2"], { DITLAB_QUEUE: redis.url });
  const victim = worker();
  await until(
    async () => (await filesOf("together").catch((): string[] => [])).length > 4,
    "the first latents",
  );
  await endProcess(victim, "SIGKILL");
  const heirs = [worker(), worker()];
  await ended(together);
  assert.is(together.child.exitCode, 0, together.said());
  assert.match(together.said(), new RegExp(`together: ${IMAGES} latents.*; 1 could not be read`));
  const names = await filesOf("alone");
  assert.equal(await filesOf("together"), names, "nothing is missing, and nothing left behind");
  for (const name of names.filter((name) => /\.\w+$/.test(name))) {
    const [one, other] = await Promise.all(
      ["alone", "together"].map((folder) => readFile(join(shared, folder, name))),
    );
    assert.ok(one.equals(other), name);
  }
  for (const heir of heirs) await endProcess(heir);
  await redis.kill();
});

redisTest("a part that another VAE would make ends the worker, and is left to others", async () => {
  const redis = await startRedis();
  const asked = latents("others", "--queue", redis.url);
  await until(
    async () => (await filesOf("others").catch((): string[] => [])).includes("queue.json"),
    "the jobs",
  );
  // As on a machine with other weights.
  const file = join(shared, "others/prepare.json");
  const note = JSON.parse(await readFile(file, "utf8"));
  await writeFile(file, JSON.stringify({ ...note, vae: "another" }));
  const worker = startCommand(shared, ["worker", "--queue", redis.url]);
  await ended(worker);
  assert.is(worker.child.exitCode, 1);
  assert.match(
    worker.said(),
    /others is filled with vae "another", but here it is "[0-9a-f]+"; expected the same files on all machines/,
  );
  await writeFile(file, JSON.stringify(note));
  const heir = startCommand(shared, ["worker", "--queue", redis.url]);
  await ended(asked);
  assert.is(asked.child.exitCode, 0, asked.said());
  await endProcess(heir);
  await redis.kill();
});

test.run();
