/** Experiments end to end: their runs trained and measured, each once, and what they came to written down. */
import { join } from "node:path";
import { imageSetFingerprint } from "../data/identity.ts";
import type { Dataset } from "../data/index.ts";
import { QUEUE_FILE } from "../distributed/queue/shared-folder.ts";
import { ARM_FILES, add } from "../experiments/arm-run.ts";
import { isCaptioned } from "../experiments/captioned.ts";
import { type Control, controlMetrics } from "../experiments/controls.ts";
import { machine } from "../experiments/describe.ts";
import { disposeEvaluator } from "../experiments/evaluator.ts";
import type { Reporter } from "../experiments/reporter.ts";
import type { Results, RunResult } from "../experiments/results.ts";
import { type Timing, timingOf } from "../experiments/timing.ts";
import { checkIdentity, claimFolder } from "../io/folders.ts";
import { packageVersion } from "../package.ts";
import { costsOf } from "./costs.ts";
import type { Cell, Column, Experiment, ModelSetting } from "./experiment.ts";
import { writePages } from "./pages.ts";
import { drawPictures, PICTURE_FILES, type PictureResult } from "./pictures.ts";
import { configsOf, plannedSeeds, trainedShape, type Wanted } from "./plan.ts";
import { type ExperimentOutcome, outcomeOf } from "./result.ts";
import { networkFingerprint, openWorkshop, type RunJob, runJob, runJobOf } from "./run-job.ts";
import { isTrained, runNames, type SecondsOf } from "./runs.ts";
import type { SmallScale } from "./scales.ts";
import { wholeReporter } from "./whole.ts";

export interface ReproduceOptions {
  experiments: readonly Experiment[];
  /** Holds the runs and what was written of them; it is gone on with where it is of the same scale and data. */
  folder: string;
  dataset: Dataset;
  scaleName: string;
  scale: SmallScale;
  seeds: readonly number[];
  signal?: AbortSignal;
  reporter: Reporter;
  /** What was called, as the results are to name it. */
  command?: string;
  /** Has the runs that are left trained and measured elsewhere, in the same folder. Default: here, one after another. */
  distribute?: Distribute;
}

/** @returns the seconds of each run by phase, or nothing where they were not waited for */
export type Distribute = (
  jobs: readonly RunJob[],
  data: RunIdentity,
) => Promise<readonly Record<string, number>[] | undefined>;

/** Of the images, and of the network that measures: what has to be the same wherever a run is made. */
export interface RunIdentity {
  readonly images: string;
  readonly network: string;
}

/** What an experiment came to, as its JSON file holds it. */
export interface Reproduction extends ExperimentOutcome {
  format: "ditlab-reproduction/1";
  experiment: string;
  title: string;
  about: string;
  columns: readonly Column[];
  against?: string;
  scale: string;
  dataset: string;
  /** The scale of guidance that captioned pictures are drawn with. */
  guidance?: number;
  seeds: number[];
  /** Of each training; 0 where released weights were measured. */
  steps: number;
  /** Which released weights were measured, and how: their images, the sampler's steps, and what to know of the numbers. */
  released?: {
    checkpoint: string;
    model: string;
    reference: string;
    count: number;
    steps: number;
    guidance: number;
    warnings: readonly string[];
  };
  version: string;
  command?: string;
  createdAt: string;
  machine: Results["machine"];
  /** Wall-clock seconds of all the folder's runs, by phase. */
  seconds: Record<string, number>;
  /** Of an experiment that is looked at. */
  pictures?: PictureResult[];
  /** What the measures say of real images, and of trivial ones; absent where nothing was trained. */
  controls?: Control[];
}

const RESULT_FILES = ["md", "csv", "json", "html"].map((ending) => `*.${ending}`);
const COSTS_FILE = "costs.json";
const TIMING_FILE = "timing.json";

export const imagesOf = (dataset: Dataset): string =>
  [dataset.train, dataset.test].map(imageSetFingerprint).join(" ");

async function claim({ folder, scaleName, scale, dataset }: ReproduceOptions): Promise<void> {
  const { about: _, seeds: __, captioned: ___, judged: ____, textModel, ...others } = scale;
  // What the other data's runs do not depend on: a folder of them is gone on with whatever these say.
  const settings = isCaptioned(dataset) ? { ...others, textModel } : others;
  const identity = {
    scale: scaleName,
    dataset: dataset.name,
    images: imagesOf(dataset),
    settings: JSON.stringify(settings),
  };
  const found = await claimFolder(folder, {
    kind: "reproduction",
    identity,
    makes: [
      ...RESULT_FILES,
      ...PICTURE_FILES,
      COSTS_FILE,
      TIMING_FILE,
      QUEUE_FILE,
      ...ARM_FILES.map((file) => `*-seed*/${file}`),
    ],
  });
  if (found) checkIdentity(found, identity, `cannot go on in ${folder}`);
}

/** Trains and measures what is left. @returns nothing where the signal stopped it */
async function trainAll(
  options: ReproduceOptions,
  wanted: Wanted,
  { seconds, save }: Timing,
  secondsOf: SecondsOf,
): Promise<{ results: Map<string, RunResult>; controls: Control[] } | undefined> {
  const { folder, dataset, scale, signal, reporter, distribute } = options;
  const workshop = await openWorkshop(folder, dataset, scale.evaluation, reporter);
  try {
    if (distribute) {
      const left = plannedSeeds(wanted).filter(({ isComplete }) => !isComplete);
      const jobs = left.map((run) => runJobOf(run, scale.evaluation, secondsOf));
      const data = { images: imagesOf(dataset), network: await networkFingerprint(workshop) };
      const spent = await distribute(jobs, data);
      if (!spent) return undefined;
      for (const [phase, of] of spent.flatMap(Object.entries<number>)) add(seconds, phase, 1000 * of);
      await save();
    }
    const runs = plannedSeeds(wanted);
    const left = runs.filter(({ isComplete }) => !isComplete);
    const whole = wholeReporter(
      reporter,
      left.reduce((sum, { config }) => sum + config.steps, 0),
      left.reduce((sum, { done }) => sum + done, 0),
    );
    const results = new Map<string, RunResult>();
    whole.begin();
    try {
      for (const planned of runs) {
        const job = runJobOf(planned, scale.evaluation, secondsOf);
        const run = await runJob(job, workshop, { signal, reporter: whole.of(job.name) }, seconds);
        await save();
        if (!run || signal?.aborted) return undefined;
        if (!planned.isComplete) whole.finish(job.config.steps);
        results.set(job.name, run);
      }
      return { results, controls: await controlMetrics(workshop.evaluator) };
    } finally {
      whole.end();
    }
  } finally {
    await disposeEvaluator(workshop.evaluator);
  }
}

/** The best FID of images that take no learning. */
const trivialDistance = (controls: readonly Control[]): number =>
  Math.min(...controls.filter(({ isTrivial }) => isTrivial).map(({ frechet }) => frechet));

/**
 * Runs experiments in a folder, where what is done is not done again and what was cut goes on, and writes for each a table
 * as Markdown, CSV, JSON and a page of HTML.
 * @returns what they came to, or nothing where the signal stopped them: called again, they go on
 */
export async function reproduce(options: ReproduceOptions): Promise<Reproduction[] | undefined> {
  const { experiments, folder, dataset, scaleName, scale, seeds, command, signal } = options;
  const wanted = { experiments, scale, seeds, images: trainedShape(dataset), folder };
  const runs = plannedSeeds(wanted);
  await claim(options);
  const timing = await timingOf(join(folder, TIMING_FILE));
  const { seconds } = timing;
  const configOf = configsOf(wanted);
  const cost = await costsOf(experiments, configOf, { ...options, file: join(folder, COSTS_FILE) });
  if (!cost) return undefined;
  const secondsOf = (setting: ModelSetting): number => cost(setting).seconds;
  const trained = runs.length > 0 ? await trainAll(options, wanted, timing, secondsOf) : undefined;
  if (runs.length > 0 && !trained) return undefined;
  await timing.save();

  const nameOf = runNames(configOf);
  const measured = {
    steps: scale.steps,
    ...(trained && { trivial: trivialDistance(trained.controls) }),
    cost,
    runs: ({ setting }: Cell) => seeds.map((seed) => trained!.results.get(`${nameOf(setting)}-seed${seed}`)!),
  };
  const results: Reproduction[] = [];
  for (const experiment of experiments) {
    const { id, title, about, columns, against } = experiment;
    const drawn: PictureResult[] = [];
    for (const row of experiment.pictures ?? []) {
      const run = `${nameOf(row.setting)}-seed${seeds[0]}`;
      drawn.push(...(await drawPictures(row, { folder, run, dataset, signal })));
    }
    const hasRuns = experiment.rows.some(({ cells }) => cells.some(isTrained));
    const result: Reproduction = {
      format: "ditlab-reproduction/1",
      experiment: id,
      title,
      about,
      columns,
      ...(against !== undefined && { against }),
      scale: scaleName,
      dataset: dataset.name,
      ...(isCaptioned(dataset) && { guidance: dataset.guidance }),
      seeds: [...seeds],
      steps: scale.steps,
      version: packageVersion,
      ...(command !== undefined && { command }),
      createdAt: new Date().toISOString(),
      machine: await machine(),
      seconds,
      ...(experiment.pictures && { pictures: drawn }),
      ...(hasRuns && { controls: trained!.controls }),
      ...outcomeOf(experiment, measured),
    };
    await writePages(folder, result);
    results.push(result);
  }
  return results;
}
