/** What a job is: a kind, plain data that say all of it, and a name that is made of them. */
import { fingerprint } from "../../fingerprint.ts";
import { packageVersion } from "../../package.ts";
import { z } from "../../schema.ts";

export interface Job {
  /** Which handler of a worker does it. */
  readonly kind: string;
  /** What it is, for people. */
  readonly name: string;
  /** All that decides its result, as JSON can hold it. */
  readonly data: unknown;
  /** How much work it is, in the unit of the whole's progress. */
  readonly size: number;
}

/** A job as it lies on the queue. */
export const queuedJob = z.object({ version: z.string(), name: z.string(), data: z.unknown() });
export type QueuedJob = z.infer<typeof queuedJob>;

export const queued = ({ name, data }: Job): QueuedJob => ({ version: packageVersion, name, data });

/** The same for the same work, whoever asks for it and how often. */
export const jobKey = ({ kind, data }: Job): string =>
  `${kind}-${fingerprint([packageVersion, JSON.stringify(data)], 32)}`;

/**
 * Thrown by a handler where this worker cannot do what another one can, as without the shared folder: the job goes back to
 * the queue, and the worker ends.
 */
export class UnfitWorkerError extends Error {
  override name = "UnfitWorkerError";
}

/** What a worker does with a job of one kind. */
export type Handler = (data: unknown, context: JobContext) => Promise<unknown>;

export interface JobContext {
  /**
   * Set when the worker is to stop, or the job has been given to another one: what is done is saved, and `undefined`
   * returned, which gives the job back.
   */
  readonly signal: AbortSignal;
  /**
   * Whether the job is still this worker's, to be asked before anything is written that another worker might write too. It
   * waits while nobody knows, as while Redis is away.
   */
  isOurs(): Promise<boolean>;
  /** Tells how much is done, in the unit of the job's size. */
  progress(done: number): void;
}
