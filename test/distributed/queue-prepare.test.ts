/** `ditlab prepare --queue`: what workers make of parts is the folder of one process, to the last byte. */
import { cp, mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { preparationHandler } from "../../lib/cli/queued-preparation.ts";
import { prepareLatents } from "../../lib/data/index.ts";
import { UnfitWorkerError } from "../../lib/distributed/queue/index.ts";
import { shareFolder } from "../../lib/distributed/queue/shared-folder.ts";
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

/** What lies in a folder, but for the half of a file that a killed process was writing, which nobody reads. */
const filesOf = async (folder: string): Promise<string[]> =>
  (await readdir(join(shared, folder), { recursive: true })).filter((name) => !name.endsWith(".tmp")).sort();

redisTest("parts of workers, one of them killed -9, are the latents of one process", async () => {
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
  const heir = worker();
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
  await endProcess(heir);
  await redis.kill();
});

test("a worker whose VAE is another one gives the part back and ends", async () => {
  process.chdir(shared);
  const task = { kind: "latents", source: "images", destination: "others", vae: "vae" } as const;
  // As where the parts were asked for with other weights.
  const note = { kind: "latents", vae: "another", scale: 0.18215 };
  await writeFiles(shared, { "others/prepare.json": JSON.stringify(note) });
  const { handler, close } = preparationHandler();
  const context = { signal: new AbortController().signal, isOurs: async () => true, progress() {} };
  const job = { folder: await shareFolder("others"), task, part: { from: 0, count: 2 } };
  const failure = await handler(job, context).catch((error: Error) => error);
  assert.instance(failure, UnfitWorkerError);
  assert.match(
    String(failure),
    /others is filled with vae "another", but here it is "[0-9a-f]+"; expected the same files on all machines/,
  );
  assert.equal((await readdir("others")).sort(), ["prepare.json", "queue.json"]);
  await close();
});

test.run();
