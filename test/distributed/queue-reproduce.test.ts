/** `ditlab reproduce --queue`: runs made by workers equal those of one process to the last byte, whatever happens to a worker. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { loadDataset } from "../../lib/data/index.ts";
import type { Reporter } from "../../lib/experiments/reporter.ts";
import { readJsonLines } from "../../lib/io/index.ts";
import {
  experimentsNamed,
  type ReproduceOptions,
  type Reproduction,
  reproduce,
  type SmallScale,
  withRows,
} from "../../lib/reproduce/index.ts";
import { distributeRuns, runHandler } from "../../lib/reproduce/queued-runs.ts";
import { newestCheckpoint } from "../../lib/train/checkpoint-files.ts";
import type { LogEntry } from "../../lib/train/index.ts";
import { smallIdxFolder } from "../cli/helpers.ts";
import { ownHome } from "../experiments/least.ts";
import { rejects, temporaryFolder } from "../io/helpers.ts";
import { scale as least } from "../reproduce/tiniest.ts";
import { endProcess, startCommand, type TestProcess } from "./processes.ts";
import { redisTest, startRedis, until } from "./redis.ts";

ownHome(test);

const quiet: Reporter = { begin() {}, update() {}, end() {}, note() {} };
/** Long enough to be killed in the middle. */
const scale: SmallScale = { ...least, steps: 48 };
const experiments = [withRows(experimentsNamed("table1", scale)[0], ["head-off"])];
const data = await smallIdxFolder();
const dataset = await loadDataset("mnist", { folder: data });
/** What the workers share; they and this process begin in it. */
const shared = await temporaryFolder();
process.chdir(shared);

const run = (folder: string, others: Partial<ReproduceOptions> = {}): Promise<Reproduction[] | undefined> =>
  reproduce({
    ...{ experiments, folder, dataset, scale, scaleName: "least", seeds: [0, 1], reporter: quiet },
    ...others,
  });

const queued = (
  url: string,
  folder: string,
  { reporter = quiet, ...others }: Partial<ReproduceOptions> = {},
): Promise<Reproduction[] | undefined> =>
  run(folder, {
    ...others,
    distribute: distributeRuns({ url, folder, name: "mnist", data, dataset, reporter }),
  });

const worker = (url: string, cwd = shared): TestProcess =>
  startCommand(cwd, ["worker", "--queue", url, "--lease", "2"]);

const runFolders = async (folder: string): Promise<string[]> =>
  (await readdir(folder)).filter((name) => /-seed\d$/.test(name)).sort();

/** What of a run is the same wherever it was made: all but times. */
async function contentOf(folder: string): Promise<Record<string, unknown>> {
  const checkpoints = await readdir(join(folder, "checkpoints"));
  const bytes = async (name: string): Promise<string> =>
    (await readFile(join(folder, name))).toString("base64");
  const files = [...checkpoints.map((name) => `checkpoints/${name}`), "evaluations.jsonl", "samples.png"];
  const {
    trainSeconds: _,
    stepSeconds: __,
    ...result
  } = JSON.parse(await readFile(join(folder, "result.json"), "utf8"));
  const log = await readJsonLines<LogEntry>(join(folder, "metrics.jsonl"));
  return {
    ...Object.fromEntries(await Promise.all(files.map(async (name) => [name, await bytes(name)]))),
    result,
    log: log.map(({ stepSeconds: _, ...entry }) => entry),
  };
}

async function assertSame(folder: string, expected: string): Promise<void> {
  const names = await runFolders(folder);
  assert.ok(names.length > 0);
  for (const name of names)
    assert.equal(await contentOf(join(folder, name)), await contentOf(join(expected, name)), name);
}

const numbersOf = (results: Reproduction[] | undefined): unknown =>
  results!.map(({ rows, claims, controls }) => [rows, claims, controls]);

let expected: Reproduction[] | undefined;
test.before(async () => {
  expected = await run("alone");
});

redisTest(
  "two workers make what one process makes, and a worker killed -9 in the middle changes nothing",
  async () => {
    const redis = await startRedis();
    const seen: string[] = [];
    const reporter = { ...quiet, update: (_: number, detail = "") => void seen.push(detail) };
    const result = queued(redis.url, "together", { reporter });
    const victim = worker(redis.url);
    const middle = async (): Promise<boolean> =>
      (await runFolders("together").catch(() => [])).some(
        (name) => (newestCheckpoint(join("together", name))?.step ?? 0) >= 6,
      );
    await until(middle, "a checkpoint");
    await endProcess(victim, "SIGKILL");
    assert.not.match(victim.said(), /: done/, "it was killed in its first run");
    const heirs = [worker(redis.url), worker(redis.url)];
    const found = await result;
    await assertSame("together", "alone");
    assert.is((await runFolders("together")).length, 4);
    assert.equal(numbersOf(found), numbersOf(expected));
    assert.match(seen.at(-1)!, /^4 of 4 runs done, 0 under way$/);
    const { state } = JSON.parse(await readFile("together/queue.json", "utf8"));
    assert.equal(state, { jobs: 4, done: 4, failed: 0, begun: 0, work: 192, total: 192 });
    assert.ok(found![0].seconds.training > 0, "the workers' time is counted");
    // Asked for again there is nothing to do, with no worker either.
    for (const heir of heirs) await endProcess(heir);
    assert.equal(numbersOf(await queued(redis.url, "together")), numbersOf(expected));
    await redis.kill();
  },
);

redisTest(
  "a worker that does not see the folder, or other images, is told so and leaves the job to others",
  async () => {
    const redis = await startRedis();
    const result = queued(redis.url, "left", { seeds: [0] });
    const elsewhere = worker(redis.url, await temporaryFolder());
    await until(() => elsewhere.child.exitCode !== null, "the end of the worker");
    assert.is(elsewhere.child.exitCode, 1);
    assert.match(
      elsewhere.said(),
      /left is not here; expected the worker to be started in the folder that all/,
    );
    // What a worker with other images, or another network that measures, makes of the same job.
    const { Queue } = await import("bullmq");
    const { Redis } = await import("ioredis");
    const connection = new Redis(redis.port, { maxRetriesPerRequest: null });
    const queue = new Queue("jobs", { connection, prefix: "ditlab" });
    const [{ data }] = await queue.getWaiting();
    const { handler, close } = runHandler(quiet);
    const context = { signal: new AbortController().signal, isOurs: async () => true, progress() {} };
    for (const [name, message] of [
      ["images", /^the images of mnist are others here than where sit-b-.* was put on the queue/],
      ["network", /^the network whose features distances are measured in is another one here/],
    ] as const)
      await rejects(handler({ ...data.data, [name]: "another" }, context), message);
    await close();
    await queue.close();
    connection.disconnect();
    const able = worker(redis.url);
    await result;
    await assertSame("left", "alone");
    await endProcess(able);
    await redis.kill();
  },
);

redisTest("a folder that workers could not find is refused", async () => {
  const redis = await startRedis();
  const outside = await temporaryFolder();
  await rejects(queued(redis.url, outside), /^workers could not find .*; expected a path below /);
  await redis.kill();
});

test.run();
