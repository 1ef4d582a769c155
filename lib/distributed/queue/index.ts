export { type EnqueueOptions, type QueueState, runOnQueue } from "./enqueue.ts";
export {
  type Handler,
  type Job,
  type JobContext,
  UnfitWorkerError,
} from "./jobs.ts";
export { type ServeOptions, serveQueue } from "./worker.ts";
