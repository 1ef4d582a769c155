/** Jobs put on a queue and waited for, whatever happens to workers and to Redis meanwhile. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Job as BullJob, Queue } from "bullmq";
import pMap from "p-map";
import type { Reporter } from "../../experiments/reporter.ts";
import { checkServer, openConnection, PREFIX, QUEUE, queuePackages, serverName } from "./connection.ts";
import { type Job, jobKey, queued } from "./jobs.ts";

export interface EnqueueOptions {
  url: string;
  reporter: Pick<Reporter, "note">;
  /** Ends the waiting; the jobs stay on the queue. */
  signal?: AbortSignal;
  /** Whether a job's result is there, where it lies in files: the queue forgets finished jobs after a day. */
  isDone?(job: Job): Promise<boolean>;
  onProgress?(state: QueueState): void | Promise<void>;
}

/** How far all jobs are together. */
export interface QueueState {
  readonly jobs: number;
  readonly done: number;
  readonly failed: number;
  /** Jobs that a worker has begun. */
  readonly begun: number;
  /** Work that is done and all of it, in the unit of the jobs' sizes. */
  readonly work: number;
  readonly total: number;
}

/** What a job that is over came to. */
export type JobOutcome = { readonly value: unknown } | { readonly failure: string };

const EVERY_MS = 500;
const AT_ONCE = 32;
const DAY_SECONDS = 86_400;
/** Nobody takes a job for so long before that is said. */
const PATIENCE_MS = 10_000;

const OPTIONS = { removeOnComplete: { age: DAY_SECONDS }, removeOnFail: { age: DAY_SECONDS } };

/** What was asked for, and what is known of it. */
interface Wanted {
  readonly job: Job;
  readonly key: string;
  outcome?: JobOutcome;
  work: number;
  isBegun: boolean;
}

/** Puts a job on the queue, unless it is there, waiting or under way: what is left of an earlier time makes room. */
async function put(queue: Queue, { job, key }: Wanted): Promise<void> {
  const found: BullJob | undefined = await queue.getJob(key);
  if (found?.finishedOn) await found.remove();
  await queue.add(job.kind, queued(job), { ...OPTIONS, jobId: key });
}

/** Looks at a job. One that is gone, as from a Redis that lost its memory, is put on the queue anew. */
async function look(queue: Queue, wanted: Wanted, isDone: EnqueueOptions["isDone"]): Promise<void> {
  const found: BullJob | undefined = await queue.getJob(wanted.key);
  if (!found) {
    if (await isDone?.(wanted.job)) wanted.outcome = { value: undefined };
    else await put(queue, wanted);
    return;
  }
  // A job that has told nothing has an object in its place.
  wanted.work = typeof found.progress === "number" ? Math.min(found.progress, wanted.job.size) : 0;
  wanted.isBegun = found.processedOn !== undefined;
  if (!found.finishedOn) return;
  // Redis keeps a failed job's reason, also where that is empty.
  wanted.outcome =
    found.failedReason === undefined ? { value: found.returnvalue } : { failure: found.failedReason };
}

function stateOf(all: readonly Wanted[]): QueueState {
  const over = all.filter(({ outcome }) => outcome);
  const failed = over.filter(({ outcome }) => "failure" in outcome!).length;
  return {
    jobs: all.length,
    done: over.length - failed,
    failed,
    begun: all.filter(({ outcome, isBegun }) => !outcome && isBegun).length,
    work: all.reduce((sum, { outcome, work, job }) => sum + (outcome ? job.size : work), 0),
    total: all.reduce((sum, { job }) => sum + job.size, 0),
  };
}

/**
 * Has jobs done by the workers of a queue. The same job, asked for twice, is done once; what is on the queue already is
 * waited for.
 * @returns what each job came to, or nothing where the signal ended the waiting
 * @throws where the server cannot be used, and naming the first job that failed when all are over
 */
export async function runOnQueue(
  jobs: readonly Job[],
  { url, reporter, signal, isDone, onProgress }: EnqueueOptions,
): Promise<unknown[] | undefined> {
  await checkServer(url);
  const { bullmq } = await queuePackages();
  const connection = await openConnection(url, reporter.note);
  const queue = new bullmq.Queue(QUEUE, { connection, prefix: PREFIX });
  queue.on("error", () => {});
  const all: Wanted[] = jobs.map((job) => ({ job, key: jobKey(job), work: 0, isBegun: false }));
  const begun = performance.now();
  let isPatient = true;
  try {
    // In their order: the first are taken first.
    for (const wanted of all) await put(queue, wanted);
    while (!signal?.aborted) {
      const open = all.filter(({ outcome }) => !outcome);
      await pMap(open, (wanted) => look(queue, wanted, isDone), { concurrency: AT_ONCE });
      const state = stateOf(all);
      await onProgress?.(state);
      if (state.done + state.failed === state.jobs) return resultsOf(all);
      if (isPatient && state.begun + state.done === 0 && performance.now() - begun > PATIENCE_MS) {
        reporter.note(
          `no worker has taken a job from ${serverName(url)} yet; start some with: ditlab worker --queue`,
        );
        isPatient = false;
      }
      await sleep(EVERY_MS, undefined, { signal }).catch(() => {});
    }
    return undefined;
  } finally {
    await queue.close().catch(() => {});
    connection.disconnect();
  }
}

function resultsOf(all: readonly Wanted[]): unknown[] {
  const failed = all.flatMap(({ job, outcome }) =>
    outcome && "failure" in outcome ? [`${job.name}: ${outcome.failure}`] : [],
  );
  if (failed.length > 0)
    throw new Error(
      `${failed.length} of ${all.length} jobs failed, the first ${failed[0]}; called again, they are tried again`,
    );
  return all.map(({ outcome }) => (outcome && "value" in outcome ? outcome.value : undefined));
}
