/** Samples on a queue: batches of images, each a job. */
import { join } from "node:path";
import { type Handler, type Job, runOnQueue } from "../distributed/queue/index.ts";
import { folderProgress } from "../distributed/queue/progress.ts";
import {
  awaitFile,
  checkSharedFolder,
  sharedFolder,
  shareFolder,
} from "../distributed/queue/shared-folder.ts";
import { exists } from "../io/files.ts";
import { claimParts, type GatherOptions, writePart } from "../samplers/gather.ts";
import { z } from "../schema.ts";
import { type Drawing, openDrawing } from "./draw-samples.ts";
import { loadSampled, loadWeaker } from "./load-sampled.ts";
import { progressReporter } from "./progress.ts";
import type { SampleOptions } from "./sampler-options.ts";

/** The kind of these jobs. */
export const SAMPLES_KIND = "samples";

const queuedSamples = z.object({
  folder: sharedFolder,
  /** The command's own words, whose paths are read from the folder that all machines share. */
  source: z.string().optional(),
  options: z.custom<SampleOptions>((value) => typeof value === "object" && value !== null),
  part: z.object({ file: z.string(), first: z.number(), count: z.number() }),
});
type QueuedSamples = z.infer<typeof queuedSamples>;

export interface QueuedSamplesOptions {
  url: string;
  source?: string;
  options: SampleOptions;
}

/** Has batches drawn by the workers of a queue. */
export const distributeSamples =
  ({ url, source, options }: QueuedSamplesOptions): GatherOptions["distribute"] =>
  async (folder, missing) => {
    if (missing.length === 0) return;
    const shared = await shareFolder(folder);
    const reporter = progressReporter();
    const jobs = missing.map((part): Job => {
      const data: QueuedSamples = { folder: shared, source, options, part };
      return { kind: SAMPLES_KIND, name: `${options.out} from image ${part.first}`, data, size: part.count };
    });
    const fileOf = (job: Job): string => join(folder, missing[jobs.indexOf(job)].file);
    reporter.begin(
      "images by all workers",
      jobs.reduce((sum, { size }) => sum + size, 0),
    );
    await runOnQueue(jobs, {
      ...{ url, reporter },
      isDone: (job) => exists(fileOf(job)),
      onProgress: folderProgress(shared, reporter, "batches"),
    }).finally(reporter.end);
    for (const job of jobs) await awaitFile(fileOf(job));
  };

interface Opened {
  readonly drawing: Drawing;
  close(): Promise<void>;
}

/** @throws where what decides the images is not what it is where they were asked for, as of a run that has gone on since */
async function open({ folder, source, options }: QueuedSamples): Promise<Opened> {
  const [pipeline, weaker] = [await loadSampled(source, options), await loadWeaker(options)];
  const drawing = await openDrawing(pipeline, options, weaker);
  const close = async (): Promise<void> => {
    await Promise.all([drawing.close(), pipeline.dispose(), weaker?.dispose()]);
  };
  try {
    await claimParts(folder.path, drawing);
    return { drawing, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What a worker does with the batches of a queue. What batches of one folder share is kept from one to the next. */
export function samplesHandler(): { handler: Handler; close(): Promise<void> } {
  let opened: (Opened & { key: string }) | undefined;
  async function close(): Promise<void> {
    await opened?.close();
    opened = undefined;
  }
  async function drawingFor(queued: QueuedSamples): Promise<Drawing> {
    const key = JSON.stringify([queued.folder, queued.source, queued.options]);
    if (opened?.key === key) return opened.drawing;
    await close();
    opened = { key, ...(await open(queued)) };
    return opened.drawing;
  }
  const handler: Handler = async (data, { signal, isOurs }) => {
    const queued = queuedSamples.parse(data);
    const { folder, part } = queued;
    await checkSharedFolder(folder);
    const drawing = await drawingFor(queued);
    if (signal.aborted) return undefined;
    const samples = await drawing.make(part.first, part.count);
    if (!(await isOurs())) return undefined;
    await writePart(folder.path, part, samples);
    return { count: part.count };
  };
  return { handler, close };
}
