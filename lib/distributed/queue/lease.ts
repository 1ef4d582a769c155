/** Whether a job is still this worker's, told by the thread that holds it. */
import { LostJobError } from "./jobs.ts";

export interface Lease {
  /** Waits while nobody knows. @throws LostJobError where the job is another worker's */
  hold(): Promise<void>;
  /** The thread renewed the job's lock, or lost it. */
  tell(state: "renewed" | "lost"): void;
}

/** The lease of one job; `buffer` holds the time until which it is sure, which is true also while messages wait. */
export function leaseOf(buffer: SharedArrayBuffer, name: string): Lease {
  const until = new BigInt64Array(buffer);
  const isSure = (): boolean => Date.now() < Number(Atomics.load(until, 0));
  let isLost = false;
  let waiting: (() => void)[] = [];
  return {
    async hold() {
      // A machine that slept or a Redis that is away: the next answer tells.
      while (!isLost && !isSure()) await new Promise<void>((resolve) => waiting.push(resolve));
      if (isLost)
        throw new LostJobError(`${name} has been given to another worker, as this one was not heard of`);
    },
    tell(state) {
      isLost ||= state === "lost";
      for (const resume of waiting) resume();
      waiting = [];
    },
  };
}
