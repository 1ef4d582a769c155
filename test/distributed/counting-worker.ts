/**
 * A worker for tests, as a process: its job appends lines to a file, one step each, and goes on behind those that are there.
 * `node counting-worker.ts <url> <leaseSeconds> [until-empty]`
 */
import { appendFile, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { type Handler, serveQueue } from "../../lib/distributed/queue/index.ts";
import { z } from "../../lib/schema.ts";

const counting = z.object({
  file: z.string(),
  steps: z.number(),
  /** Of a step that gives other work of the process its turn, and of one that blocks it. */
  sleepMs: z.number(),
  blockMs: z.number(),
});
export type Counting = z.infer<typeof counting>;

const count: Handler = async (data, { signal, isOurs, progress }) => {
  const { file, steps, sleepMs, blockMs } = counting.parse(data);
  const lines = async (): Promise<string[]> =>
    (await readFile(file, "utf8").catch(() => "")).split("\n").filter((line) => line !== "");
  for (let step = (await lines()).length + 1; step <= steps; step++) {
    if (signal.aborted) return undefined;
    await sleep(sleepMs);
    const end = Date.now() + blockMs;
    while (Date.now() < end);
    if (!(await isOurs())) return undefined;
    await appendFile(file, `${step} ${process.pid}\n`);
    progress(step);
  }
  return { steps };
};

const fail: Handler = async () => {
  throw new Error("this never works");
};

const [url, leaseSeconds, untilEmpty] = process.argv.slice(2);
const stop = new AbortController();
process.once("SIGTERM", () => stop.abort());
const done = await serveQueue({
  url,
  handlers: { count, fail },
  reporter: { note: (message) => console.log(message) },
  signal: stop.signal,
  leaseSeconds: Number(leaseSeconds),
  untilEmpty: untilEmpty !== undefined,
}).catch((error: Error) => {
  console.log(`ended: ${error.message}`);
  process.exit(1);
});
console.log(`did ${done} jobs`);
