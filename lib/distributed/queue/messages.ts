/** What a worker and its thread say to each other. */
import type { QueuedJob } from "./jobs.ts";

export interface ThreadData {
  readonly url: string;
  readonly leaseSeconds: number;
  /** Holds one number: until when (ms since 1970) the job under way is surely this worker's. */
  readonly lease: SharedArrayBuffer;
  /** Tell when no job waits or is under way anywhere. */
  readonly untilEmpty: boolean;
}

export type FromThread =
  | { readonly type: "ready" }
  | { readonly type: "job"; readonly id: string; readonly kind: string; readonly job: QueuedJob }
  | { readonly type: "renewed" }
  | { readonly type: "lost" }
  | { readonly type: "empty" }
  | { readonly type: "note"; readonly message: string };

export type ToThread =
  | { readonly type: "progress"; readonly done: number }
  | { readonly type: "done"; readonly value: unknown }
  | { readonly type: "failed"; readonly message: string }
  /** The job is for another worker, or for this one at another time. */
  | { readonly type: "back" }
  | { readonly type: "close" };
