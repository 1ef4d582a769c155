/**
 * The thread of a worker that takes jobs off the queue and keeps them. A training's step may block its own thread for as
 * long as it likes: the lock of its job is renewed here, where nothing blocks, and ends with the process.
 */
import { parentPort, workerData } from "node:worker_threads";
import type { Job } from "bullmq";
import { openConnection, PREFIX, QUEUE, queuePackages } from "./connection.ts";
import { queuedJob } from "./jobs.ts";
import type { FromThread, ThreadData, ToThread } from "./messages.ts";

/**
 * How often the workers of a job may vanish before it is given up: machines that are taken away at any time are used, but a
 * job that kills every worker is not to go round for ever.
 */
const MOST_STALLS = 25;
/** What of a lease counts after a renewal: the rest is for clocks and the network. */
const SURE_SHARE = 0.75;

const LOOK_MS = 1000;

/** A job under way, and how it ends. */
interface Held {
  readonly job: Job;
  readonly token: string;
  end(value: unknown): void;
  fail(error: Error): void;
}

export async function holdJobs(): Promise<void> {
  const { url, leaseSeconds, lease, untilEmpty } = workerData as ThreadData;
  const port = parentPort!;
  const say = (message: FromThread): void => port.postMessage(message);
  const note = (message: string): void => say({ type: "note", message });
  const { bullmq } = await queuePackages();
  const leaseMs = leaseSeconds * 1000;
  const until = new BigInt64Array(lease);
  const renewed = (): void =>
    void Atomics.store(until, 0, BigInt(Math.round(Date.now() + SURE_SHARE * leaseMs)));
  let held: Held | undefined;

  const process = (job: Job, token = ""): Promise<unknown> =>
    new Promise((resolve, reject) => {
      held = { job, token, end: resolve, fail: reject };
      renewed();
      say({ type: "job", id: job.id!, kind: job.name, job: queuedJob.parse(job.data) });
    });
  const connection = await openConnection(url, note);
  const worker = new bullmq.Worker(QUEUE, process, {
    connection,
    prefix: PREFIX,
    lockDuration: leaseMs,
    lockRenewTime: leaseMs / 4,
    stalledInterval: leaseMs,
    maxStalledCount: MOST_STALLS,
  });
  worker.on("locksRenewed", () => {
    renewed();
    say({ type: "renewed" });
  });
  worker.on("lockRenewalFailed", () => {
    Atomics.store(until, 0, 0n);
    say({ type: "lost" });
  });
  // Outages are noted by the connection; what else there is concerns a job that is lost.
  worker.on("error", () => {});
  await worker.waitUntilReady();

  const queue = new bullmq.Queue(QUEUE, { connection, prefix: PREFIX });
  queue.on("error", () => {});
  /** A job under way elsewhere may come back, when its worker is killed. */
  const look = async (): Promise<void> => {
    const { waiting, active } = await queue.getJobCounts("waiting", "active");
    if (waiting + active === 0) say({ type: "empty" });
  };
  const looking = untilEmpty ? setInterval(() => held || look().catch(() => {}), LOOK_MS) : undefined;

  const back = async ({ job, token, fail }: Held): Promise<void> => {
    // Where it is no longer ours, it is another worker's already.
    await job.moveToWait(token).catch(() => {});
    fail(new bullmq.WaitingError());
  };
  port.on("message", async (message: ToThread) => {
    if (message.type === "close") {
      clearInterval(looking);
      await worker.close();
      await queue.close();
      connection.disconnect();
      port.close();
      return;
    }
    if (!held) return;
    if (message.type === "progress") {
      await held.job.updateProgress(message.done).catch(() => {});
      return;
    }
    const ending = held;
    held = undefined;
    if (message.type === "done") ending.end(message.value);
    else if (message.type === "failed") ending.fail(new bullmq.UnrecoverableError(message.message));
    else await back(ending);
  });
  say({ type: "ready" });
}
