/** A worker: does the jobs of a queue one after another, and gives back what it does not finish. */
import { once } from "node:events";
import { Worker as Thread } from "node:worker_threads";
import type { Reporter } from "../../experiments/reporter.ts";
import { packageVersion } from "../../package.ts";
import { checkServer, serverName } from "./connection.ts";
import { type Handler, UnfitWorkerError } from "./jobs.ts";
import { type Lease, leaseOf } from "./lease.ts";
import type { FromThread, ThreadData, ToThread } from "./messages.ts";

export interface ServeOptions {
  /** `redis://` or `rediss://` (TLS). */
  url: string;
  /** By the kind of job. */
  handlers: Readonly<Record<string, Handler>>;
  reporter: Pick<Reporter, "note">;
  /** Stops after what is under way has been saved. */
  signal?: AbortSignal;
  /** Seconds after which a worker that is not heard of loses its job to another. */
  leaseSeconds?: number;
  /** End when no job waits or is under way anywhere. Default: wait for more. */
  untilEmpty?: boolean;
}

type Taken = Extract<FromThread, { type: "job" }>;

/** Progress is told so often at most. */
const PROGRESS_MS = 1000;

/** A script that knows the sources and the build; in a package it lies outside of the build. */
const threadScript = import.meta.url.endsWith(".ts")
  ? "thread.js"
  : "../../../../lib/distributed/queue/thread.js";

/** What a worker does with a job that it has taken. */
async function doJob(
  { kind, job }: Taken,
  { handlers, signal }: { handlers: ServeOptions["handlers"]; signal: AbortSignal },
  lease: Lease,
  progress: (done: number) => void,
): Promise<unknown> {
  if (job.version !== packageVersion)
    throw new UnfitWorkerError(
      `${job.name} was put on the queue by ditlab ${job.version}, but this worker is ${packageVersion}; expected one version on all machines`,
    );
  const handler = handlers[kind];
  if (!handler)
    throw new UnfitWorkerError(
      `${job.name} is a job of the kind '${kind}'; this worker does ${Object.keys(handlers).join(", ")}`,
    );
  const stop = AbortSignal.any([signal, lease.lost]);
  return handler(job.data, { signal: stop, isOurs: lease.isOurs, progress });
}

/** Progress as often as it is worth telling. */
function seldom(tell: (done: number) => void): (done: number) => void {
  let told = Number.NEGATIVE_INFINITY;
  return (done) => {
    const now = performance.now();
    if (now - told < PROGRESS_MS) return;
    told = now;
    tell(done);
  };
}

/**
 * Does jobs until the signal stops it, or with `untilEmpty` until all are done. What kills it, also between two lines of a
 * file, loses nothing: another worker takes the job over when its lease has run out.
 * @returns how many it has done
 * @throws where the server cannot be used, and where this worker cannot do a job that others can
 */
export async function serveQueue(options: ServeOptions): Promise<number> {
  const { url, handlers, reporter, signal, leaseSeconds = 30, untilEmpty = false } = options;
  await checkServer(url);
  const buffer = new SharedArrayBuffer(8);
  const workerData: ThreadData = { url, leaseSeconds, lease: buffer, untilEmpty };
  // What this process was started with is not for its thread.
  const thread = new Thread(new URL(threadScript, import.meta.url), { workerData, execArgv: [] });
  const say = (message: ToThread): void => thread.postMessage(message);
  const stop = new AbortController();
  const closing = () => {
    stop.abort();
    say({ type: "close" });
  };
  let lease: Lease | undefined;
  let unfit: Error | undefined;
  let done = 0;

  async function take(taken: Taken): Promise<void> {
    const { name } = taken.job;
    reporter.note(`${name}: begun`);
    lease = leaseOf(buffer);
    try {
      const progress = seldom((done) => say({ type: "progress", done }));
      const value = await doJob(taken, { handlers, signal: stop.signal }, lease, progress);
      const isOurs = await lease.isOurs();
      if (!isOurs) reporter.note(`${name}: given to another worker, as this one was not heard of`);
      if (!isOurs || value === undefined) return say({ type: "back" });
      done++;
      reporter.note(`${name}: done`);
      say({ type: "done", value });
    } catch (error) {
      const { message } = error as Error;
      if (error instanceof UnfitWorkerError) {
        unfit = error;
        say({ type: "back" });
        closing();
      } else {
        reporter.note(`${name}: failed: ${message}`);
        say({ type: "failed", message });
      }
    } finally {
      lease = undefined;
    }
  }

  thread.on("message", (message: FromThread) => {
    if (message.type === "ready") reporter.note(`${serverName(url)}: waiting for jobs`);
    else if (message.type === "note") reporter.note(message.message);
    else if (message.type === "job") void take(message);
    else if (message.type === "renewed" || message.type === "lost") lease?.tell(message.type);
    else if (message.type === "empty" && !lease) closing();
  });
  signal?.addEventListener("abort", closing, { once: true });
  if (signal?.aborted) closing();
  try {
    await once(thread, "exit");
  } finally {
    signal?.removeEventListener("abort", closing);
    await thread.terminate();
  }
  if (unfit) throw unfit;
  return done;
}
