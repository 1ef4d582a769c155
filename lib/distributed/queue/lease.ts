/** Whether a job is still this worker's, told by the thread that holds it. */

export interface Lease {
  /** Set when the job has been given to another worker. */
  readonly lost: AbortSignal;
  /** Whether it is ours; waits while nobody knows. */
  isOurs(): Promise<boolean>;
  /** The thread renewed the job's lock, or lost it. */
  tell(state: "renewed" | "lost"): void;
}

/** The lease of one job; `buffer` holds the time until which it is sure, which is true also while messages wait. */
export function leaseOf(buffer: SharedArrayBuffer): Lease {
  const until = new BigInt64Array(buffer);
  const isSure = (): boolean => Date.now() < Number(Atomics.load(until, 0));
  const lost = new AbortController();
  let waiting: (() => void)[] = [];
  return {
    lost: lost.signal,
    async isOurs() {
      // A machine that slept or a Redis that is away: the next answer tells.
      while (!lost.signal.aborted && !isSure()) await new Promise<void>((resolve) => waiting.push(resolve));
      return !lost.signal.aborted;
    },
    tell(state) {
      if (state === "lost") lost.abort();
      for (const resume of waiting) resume();
      waiting = [];
    },
  };
}
