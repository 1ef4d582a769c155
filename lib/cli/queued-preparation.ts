/** Preparations on a queue: parts of the images, or of the texts, each a job. */

import { describedAs } from "../data/destination.ts";
import type { PartOutcome, Preparation, RunOptions } from "../data/preparation.ts";
import { type Handler, type Job, runOnQueue, UnfitWorkerError } from "../distributed/queue/index.ts";
import { folderProgress } from "../distributed/queue/progress.ts";
import { checkSharedFolder, sharedFolder, shareFolder } from "../distributed/queue/shared-folder.ts";
import { z } from "../schema.ts";
import { openTask, type PrepareTask, prepareTask } from "./prepare-tasks.ts";
import { progressReporter } from "./progress.ts";

/** The kind of these jobs. */
export const PREPARE_KIND = "prepare";

const queuedPart = z.object({
  folder: sharedFolder,
  /** Its paths are read from the folder that all machines share. */
  task: prepareTask,
  part: z.object({ from: z.number(), count: z.number() }),
});
type QueuedPart = z.infer<typeof queuedPart>;

/** What comes back through the queue; the outputs lie in the folder. */
const partOutcome = z.object({
  written: z.number(),
  skipped: z.number(),
  broken: z.array(z.object({ index: z.number(), name: z.string(), error: z.string() })),
  stopped: z.boolean(),
});

/** Has parts made by the workers of a queue. */
export const distributeParts =
  (url: string, task: PrepareTask, signal: AbortSignal): RunOptions["distribute"] =>
  async (missing) => {
    const { destination } = task;
    if (missing.length === 0) return [];
    const folder = await shareFolder(destination);
    const jobs = missing.map((part): Job => {
      const data: QueuedPart = { folder, task, part };
      return { kind: PREPARE_KIND, name: `${destination} from number ${part.from}`, data, size: part.count };
    });
    const reporter = progressReporter();
    reporter.begin(
      `${task.kind} by all workers`,
      missing.reduce((sum, { count }) => sum + count, 0),
    );
    const outcomes = await runOnQueue(jobs, {
      ...{ url, reporter, signal },
      onProgress: folderProgress(folder, reporter, "parts"),
    }).finally(reporter.end);
    if (!outcomes) return undefined;
    return outcomes.map((outcome): PartOutcome => partOutcome.parse(outcome));
  };

/** @throws where the folder is not being filled with what is opened here, as by another encoder */
async function checkClaimed({ destination }: PrepareTask, { description }: Preparation): Promise<void> {
  const found = await describedAs(destination);
  // The shared folder may lie elsewhere on each machine.
  const { source: _, ...own } = description;
  for (const [key, value] of Object.entries(own))
    if (found?.[key] !== value)
      throw new UnfitWorkerError(
        `${destination} is filled with ${key} ${JSON.stringify(found?.[key])}, but here it is ${JSON.stringify(value)}; expected the same files on all machines`,
      );
}

/** What a worker does with the parts of a queue. What parts of one folder share is kept from one to the next. */
export function preparationHandler(): { handler: Handler; close(): Promise<void> } {
  let opened: { key: string; preparation: Preparation } | undefined;
  async function close(): Promise<void> {
    await opened?.preparation.close();
    opened = undefined;
  }
  async function preparationFor({ folder, task }: QueuedPart): Promise<Preparation> {
    const key = JSON.stringify([folder, task]);
    if (opened?.key !== key) {
      await close();
      opened = { key, preparation: await openTask(task) };
    }
    await checkClaimed(task, opened!.preparation);
    return opened!.preparation;
  }
  const handler: Handler = async (data, { signal, isOurs, progress }) => {
    const queued = queuedPart.parse(data);
    await checkSharedFolder(queued.folder);
    const preparation = await preparationFor(queued);
    if (!(await isOurs())) return undefined;
    const outcome = await preparation.make(queued.part, { signal, onProgress: progress });
    return outcome.stopped ? undefined : outcome;
  };
  return { handler, close };
}
