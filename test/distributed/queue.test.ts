/** The queue on a real Redis: jobs are done once, taken over, kept over restarts, and what is wrong is one sentence. */
import { once } from "node:events";
import { appendFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Job, type QueueState, runOnQueue } from "../../lib/distributed/queue/index.ts";
import { temporaryFolder } from "../io/helpers.ts";
import type { Counting } from "./counting-worker.ts";
import { endProcess, startCounting, type TestProcess } from "./processes.ts";
import { redisTest, startRedis, until } from "./redis.ts";

const quiet = { note() {} };
const LEASE = 2;

const startWorker = (url: string, ...more: string[]): TestProcess => startCounting(url, LEASE, ...more);

const counting = (name: string, folder: string, others: Partial<Counting> = {}): Job => {
  const data: Counting = { file: join(folder, name), steps: 3, sleepMs: 0, blockMs: 0, ...others };
  return { kind: "count", name, data, size: data.steps };
};

const linesOf = async (folder: string, name: string): Promise<string[][]> =>
  (await readFile(join(folder, name), "utf8").catch(() => ""))
    .trim()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.split(" "));
const stepsOf = async (folder: string, name: string): Promise<number[]> =>
  (await linesOf(folder, name)).map(([step]) => Number(step));

redisTest(
  "jobs are done once each, by all workers, and an asked-for job is not done again while it is there",
  async () => {
    const [redis, folder] = [await startRedis(), await temporaryFolder()];
    const jobs = ["a", "b", "c", "d", "e", "f"].map((name) => counting(name, folder, { sleepMs: 50 }));
    const states: QueueState[] = [];
    const first = runOnQueue(jobs, {
      url: redis.url,
      reporter: quiet,
      onProgress: (state) => void states.push(state),
    });
    const second = runOnQueue(jobs.slice(2, 4), { url: redis.url, reporter: quiet });
    const both = [startWorker(redis.url), startWorker(redis.url)];
    assert.equal(
      await first,
      jobs.map(() => ({ steps: 3 })),
    );
    assert.equal(await second, [{ steps: 3 }, { steps: 3 }]);
    for (const { name } of jobs) assert.equal(await stepsOf(folder, name), [1, 2, 3], name);
    assert.equal(states[0].total, 18);
    assert.equal(states.at(-1), { jobs: 6, done: 6, failed: 0, begun: 0, work: 18, total: 18 });
    for (const worker of both) {
      await endProcess(worker);
      assert.match(worker.said(), /did \d jobs/);
    }
    await redis.kill();
  },
);

redisTest("a worker that is killed in the middle loses nothing: another goes on where it was", async () => {
  const [redis, folder] = [await startRedis(), await temporaryFolder()];
  const job = counting("killed", folder, { steps: 12, sleepMs: 200 });
  const result = runOnQueue([job], { url: redis.url, reporter: quiet });
  const victim = startWorker(redis.url);
  await until(async () => (await stepsOf(folder, "killed")).length >= 3, "the third step");
  await endProcess(victim, "SIGKILL");
  // No job waits, but the one that was under way comes back.
  const heir = startWorker(redis.url, "until-empty");
  assert.equal(await result, [{ steps: 12 }]);
  assert.equal(
    await stepsOf(folder, "killed"),
    Array.from({ length: 12 }, (_, i) => i + 1),
  );
  assert.is(new Set((await linesOf(folder, "killed")).map(([, pid]) => pid)).size, 2);
  await endProcess(heir);
  await redis.kill();
});

redisTest("a step that blocks its process for longer than a lease keeps the job", async () => {
  const [redis, folder] = [await startRedis(), await temporaryFolder()];
  const job = counting("blocked", folder, { steps: 2, blockMs: 3 * LEASE * 1000 });
  const result = runOnQueue([job], { url: redis.url, reporter: quiet });
  const both = [startWorker(redis.url), startWorker(redis.url)];
  assert.equal(await result, [{ steps: 2 }]);
  const lines = await linesOf(folder, "blocked");
  assert.equal(
    lines.map(([step]) => step),
    ["1", "2"],
  );
  assert.is(lines[0][1], lines[1][1], "one worker did both");
  for (const worker of both) await endProcess(worker);
  await redis.kill();
});

redisTest(
  "a worker that was frozen, and whose job was taken over, writes nothing when it wakes",
  async () => {
    const [redis, folder] = [await startRedis(), await temporaryFolder()];
    const job = counting("frozen", folder, { steps: 40, sleepMs: 200 });
    const result = runOnQueue([job], { url: redis.url, reporter: quiet });
    const frozen = startWorker(redis.url);
    await until(async () => (await stepsOf(folder, "frozen")).length >= 2, "the second step");
    frozen.child.kill("SIGSTOP");
    const before = (await stepsOf(folder, "frozen")).length;
    const heir = startWorker(redis.url);
    await until(async () => (await stepsOf(folder, "frozen")).length >= before + 2, "the heir's second step");
    frozen.child.kill("SIGCONT");
    await until(() => /frozen: given to another worker/.test(frozen.said()), "the loss");
    assert.equal(await result, [{ steps: 40 }]);
    assert.equal(
      await stepsOf(folder, "frozen"),
      Array.from({ length: 40 }, (_, i) => i + 1),
    );
    for (const worker of [frozen, heir]) await endProcess(worker);
    await redis.kill();
  },
);

redisTest(
  "a worker that is stopped gives its job back at once, and one that is told so ends with the queue",
  async () => {
    const [redis, folder] = [await startRedis(), await temporaryFolder()];
    const job = counting("stopped", folder, { steps: 8, sleepMs: 200 });
    const result = runOnQueue([job, counting("after", folder)], { url: redis.url, reporter: quiet });
    const first = startWorker(redis.url);
    await until(async () => (await stepsOf(folder, "stopped")).length >= 2, "the second step");
    await endProcess(first);
    assert.match(first.said(), /did 0 jobs/);
    const second = startWorker(redis.url, "until-empty");
    assert.equal(await result, [{ steps: 8 }, { steps: 3 }]);
    if (second.child.exitCode === null) await once(second.child, "exit");
    assert.match(second.said(), /did 2 jobs/);
    assert.equal(await stepsOf(folder, "stopped"), [1, 2, 3, 4, 5, 6, 7, 8]);
    await redis.kill();
  },
);

redisTest("Redis killed and started again loses nothing, and is waited for", async () => {
  const [redis, folder] = [await startRedis(), await temporaryFolder()];
  const jobs = ["x", "y", "z"].map((name) => counting(name, folder, { steps: 6, sleepMs: 150 }));
  const notes: string[] = [];
  const result = runOnQueue(jobs, { url: redis.url, reporter: { note: (text) => void notes.push(text) } });
  const worker = startWorker(redis.url);
  await until(async () => (await stepsOf(folder, "y")).length >= 2, "the second job");
  await redis.kill();
  await until(() => notes.some((note) => /does not answer .*; waiting for it$/.test(note)), "the note");
  await redis.start();
  assert.equal(
    await result,
    jobs.map(() => ({ steps: 6 })),
  );
  for (const { name } of jobs) assert.equal(await stepsOf(folder, name), [1, 2, 3, 4, 5, 6], name);
  assert.ok(
    notes.some((note) => /is back$/.test(note)),
    notes.join("\n"),
  );
  await endProcess(worker);
  await redis.kill();
});

redisTest(
  "a job that fails is named with its reason, the others are done, and asked for again it is tried again",
  async () => {
    const [redis, folder] = [await startRedis(), await temporaryFolder()];
    const bad: Job = { kind: "fail", name: "the bad one", data: {}, size: 1 };
    const worker = startWorker(redis.url);
    for (let time = 0; time < 2; time++) {
      const failure = await runOnQueue([bad, counting(`good-${time}`, folder)], {
        url: redis.url,
        reporter: quiet,
      }).then(
        () => "",
        (error: Error) => error.message,
      );
      assert.match(failure, /^1 of 2 jobs failed, the first the bad one: this never works; called again/);
      assert.equal(await stepsOf(folder, `good-${time}`), [1, 2, 3]);
    }
    assert.is(worker.said().match(/the bad one: failed/g)?.length, 2);
    await endProcess(worker);
    await redis.kill();
  },
);

redisTest(
  "a job of a kind that a worker does not know goes back to the queue, and the worker ends",
  async () => {
    const [redis, folder] = [await startRedis(), await temporaryFolder()];
    const stop = new AbortController();
    const jobs = [{ ...counting("odd", folder), kind: "odd" }];
    const result = runOnQueue(jobs, { url: redis.url, reporter: quiet, signal: stop.signal });
    const worker = startWorker(redis.url);
    await once(worker.child, "exit");
    assert.is(worker.child.exitCode, 1);
    assert.match(worker.said(), /ended: odd is a job of the kind 'odd'; this worker does count, fail/);
    stop.abort();
    assert.is(await result, undefined);
    await redis.kill();
  },
);

redisTest(
  "finished files are enough where Redis has forgotten the jobs, and the others are put there anew",
  async () => {
    const [redis, folder] = [await startRedis(["--appendonly", "no"]), await temporaryFolder()];
    const jobs = [counting("had", folder), counting("left", folder)];
    const isDone = async ({ name }: Job): Promise<boolean> => (await stepsOf(folder, name)).length === 3;
    let looked = 0;
    const result = runOnQueue(jobs, {
      url: redis.url,
      reporter: quiet,
      isDone,
      onProgress: () => void looked++,
    });
    await until(() => looked > 0, "the first look");
    await redis.kill();
    await appendFile(join(folder, "had"), "1 other\n2 other\n3 other\n");
    await redis.start();
    const worker = startWorker(redis.url);
    assert.equal(await result, [undefined, { steps: 3 }]);
    assert.equal(
      (await linesOf(folder, "had")).map(([, by]) => by),
      ["other", "other", "other"],
    );
    await endProcess(worker);
    await redis.kill();
  },
);

test.run();
