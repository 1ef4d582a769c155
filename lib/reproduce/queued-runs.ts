/** Runs of experiments on a queue: what is asked for, and what a worker does with it. */
import { join } from "node:path";
import { type Dataset, type DatasetName, datasetNames, loadDataset } from "../data/index.ts";
import {
  type Handler,
  type Job,
  type JobContext,
  runOnQueue,
  UnfitWorkerError,
} from "../distributed/queue/index.ts";
import { folderProgress } from "../distributed/queue/progress.ts";
import {
  awaitFile,
  checkSharedFolder,
  type SharedFolder,
  sharedFolder,
  shareFolder,
} from "../distributed/queue/shared-folder.ts";
import { captionedDataset, isCaptioned } from "../experiments/captioned.ts";
import { disposeEvaluator } from "../experiments/evaluator.ts";
import type { Reporter } from "../experiments/reporter.ts";
import { exists } from "../io/files.ts";
import { oneOf, z } from "../schema.ts";
import type { TrainConfig } from "../train/config.ts";
import { type Distribute, imagesOf } from "./reproduce.ts";
import { networkFingerprint, openWorkshop, runJob, type Workshop } from "./run-job.ts";

/** The kind of these jobs. */
export const RUN_KIND = "run";

const source = z.object({
  name: oneOf(datasetNames, "Data set."),
  /** Where its files lie, if not where the data set is looked for. */
  data: z.string().optional(),
  isCaptioned: z.boolean(),
});
/** How a worker opens a data set. */
type DatasetSource = z.infer<typeof source>;

const numbers = z.array(z.number()).readonly();
const queuedRun = z.object({
  folder: sharedFolder,
  source,
  images: z.string(),
  network: z.string(),
  run: z.object({
    name: z.string(),
    /** Checked as every config is, when it is trained. */
    config: z.custom<TrainConfig>((value) => typeof value === "object" && value !== null),
    evaluateAt: numbers,
    evaluation: z.object({
      generated: z.number(),
      samplerSteps: z.number(),
      reference: z.number(),
      probeTrain: z.number(),
      probeTest: z.number(),
      probeTimesteps: numbers,
    }),
  }),
});
type QueuedRun = z.infer<typeof queuedRun>;

export interface QueuedRunsOptions {
  url: string;
  /** Of the reproduction, below the folder that all machines share. */
  folder: string;
  /** Its name among those that are loaded, and where its files lie, if not where they are looked for. */
  name: DatasetName;
  data?: string;
  dataset: Dataset;
  reporter: Reporter;
  signal?: AbortSignal;
}

const resultOf = ({ path }: SharedFolder, name: string): string => join(path, name, "result.json");

/** Has runs trained and measured by the workers of a queue. */
export const distributeRuns =
  ({ url, folder, name, data, dataset, reporter, signal }: QueuedRunsOptions): Distribute =>
  async (runs, identity) => {
    const source: DatasetSource = { name, data, isCaptioned: isCaptioned(dataset) };
    const shared = await shareFolder(folder);
    const jobs = runs.map((run): Job => {
      const queued: QueuedRun = { folder: shared, source, ...identity, run };
      return { kind: RUN_KIND, name: run.name, data: queued, size: run.config.steps };
    });
    const total = jobs.reduce((sum, { size }) => sum + size, 0);
    reporter.begin("steps of all runs", total);
    const outcomes = await runOnQueue(jobs, {
      ...{ url, reporter, signal },
      isDone: ({ name }) => exists(resultOf(shared, name)),
      onProgress: folderProgress(shared, reporter, "runs"),
    }).finally(reporter.end);
    if (!outcomes) return undefined;
    for (const { name } of runs) await awaitFile(resultOf(shared, name));
    const seconds = z.record(z.string(), z.number());
    return outcomes.map((value) => seconds.safeParse(value).data ?? {});
  };

async function openDataset({ name, data, isCaptioned }: DatasetSource): Promise<Dataset> {
  const dataset = await loadDataset(name, { folder: data });
  return isCaptioned ? captionedDataset(dataset) : dataset;
}

async function openFor({ folder, source, run, images }: QueuedRun, reporter: Reporter): Promise<Workshop> {
  const dataset = await openDataset(source);
  if (imagesOf(dataset) !== images)
    throw new UnfitWorkerError(
      `the images of ${dataset.name} are others here than where ${run.name} was put on the queue; expected the same data set on all machines`,
    );
  return openWorkshop(folder.path, dataset, run.evaluation, reporter);
}

/** The steps of a run as the progress of its job. */
function jobReporter({ progress }: JobContext, note: Reporter["note"]): Reporter {
  let phase = "";
  return {
    begin(label) {
      phase = label;
    },
    update(done) {
      if (phase.endsWith(": training")) progress(done);
    },
    end() {},
    note,
  };
}

/** What a worker does with the runs of a queue. What runs of one folder share is kept from one to the next. */
export function runHandler(reporter: Reporter): { handler: Handler; close(): Promise<void> } {
  let open: { key: string; workshop: Workshop } | undefined;
  async function close(): Promise<void> {
    if (open) await disposeEvaluator(open.workshop.evaluator);
    open = undefined;
  }
  async function workshopFor(queued: QueuedRun): Promise<Workshop> {
    const { probeTimesteps: _, ...evaluation } = queued.run.evaluation;
    const key = JSON.stringify([queued.folder, queued.source, queued.images, evaluation]);
    if (open?.key === key) return open.workshop;
    await close();
    open = { key, workshop: await openFor(queued, reporter) };
    return open.workshop;
  }
  const handler: Handler = async (data, context) => {
    const queued = queuedRun.parse(data);
    await checkSharedFolder(queued.folder);
    const workshop = await workshopFor(queued);
    if ((await networkFingerprint(workshop)) !== queued.network)
      throw new UnfitWorkerError(
        `the network whose features distances are measured in is another one here than where ${queued.run.name} was put on the queue; expected DITLAB_HOME to be shared, or machines of one kind`,
      );
    const seconds: Record<string, number> = {};
    const { signal, isOurs } = context;
    const watched = { signal, isOurs, reporter: jobReporter(context, reporter.note) };
    const result = await runJob(queued.run, workshop, watched, seconds);
    return result && seconds;
  };
  return { handler, close };
}
