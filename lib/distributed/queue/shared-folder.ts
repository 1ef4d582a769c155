/**
 * The folder that the workers of some jobs share. It may lie elsewhere on each machine: jobs name it from the folder in
 * which the commands are started, and a file in it tells it from one of the same name.
 */
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isAbsolute, join, relative, sep } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { exists, writeAtomic } from "../../io/files.ts";
import { z } from "../../schema.ts";
import type { QueueState } from "./enqueue.ts";
import { UnfitWorkerError } from "./jobs.ts";

/** Its name in the folder: which folder it is, and how far its jobs are. */
export const QUEUE_FILE = "queue.json";
const FORMAT = "ditlab-queue/1";

const count = z.number();
const queueFile = z.object({
  format: z.literal(FORMAT),
  id: z.string(),
  /** When it was written, in ms since 1970. */
  changed: count,
  state: z.object({ jobs: count, done: count, failed: count, begun: count, work: count, total: count }),
});
export type QueueFile = z.infer<typeof queueFile>;

/** What a job says of its folder. */
export const sharedFolder = z.object({ path: z.string(), id: z.string() });
export type SharedFolder = z.infer<typeof sharedFolder>;

const NONE: QueueState = { jobs: 0, done: 0, failed: 0, begun: 0, work: 0, total: 0 };
/** A file system over a network may show another machine's file a minute late. */
const LATE_MS = 120_000;

/** The queue's file of a folder; nothing where it has none, or one that is being written. */
export async function readQueueFile(folder: string): Promise<QueueFile | undefined> {
  const text = await readFile(join(folder, QUEUE_FILE), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return queueFile.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

const write = (folder: string, id: string, state: QueueState): Promise<void> => {
  const file: QueueFile = { format: FORMAT, id, changed: Date.now(), state };
  return writeAtomic(join(folder, QUEUE_FILE), `${JSON.stringify(file)}\n`);
};

/** Makes a folder one that workers know again. @throws where they could not find it */
export async function shareFolder(folder: string): Promise<SharedFolder> {
  const path = relative(process.cwd(), folder);
  if (path.split(sep)[0] === ".." || isAbsolute(path))
    throw new Error(
      `workers could not find ${folder}; expected a path below ${process.cwd()}, the folder that all machines share and in which workers are started`,
    );
  const found = await readQueueFile(folder);
  const id = found?.id ?? randomUUID();
  if (!found) await write(folder, id, NONE);
  return { path: path.split(sep).join("/"), id };
}

/** Writes down how far the folder's jobs are, for `ditlab watch`. */
export const noteState = ({ path, id }: SharedFolder, state: QueueState): Promise<void> =>
  write(path, id, state);

/** @throws UnfitWorkerError where the folder is not to be found from here */
export async function checkSharedFolder({ path, id }: SharedFolder): Promise<void> {
  const found = await readQueueFile(path);
  if (found?.id === id) return;
  throw new UnfitWorkerError(
    `${join(process.cwd(), path)} ${found ? "is another folder than that of the job" : "is not here"}; expected the worker to be started in the folder that all machines share, where the jobs were put on the queue`,
  );
}

/** Waits for a file that a worker has written. @throws where it does not come */
export async function awaitFile(path: string): Promise<void> {
  for (const begun = Date.now(); !(await exists(path)); await sleep(500))
    if (Date.now() - begun > LATE_MS)
      throw new Error(
        `${path} is not here, though a worker has written it; expected its folder to be shared by all machines`,
      );
}
